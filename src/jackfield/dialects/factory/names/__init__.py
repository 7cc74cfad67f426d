"""What factory plugins import as `ccproxy.…`. `offered` lists it under the names that their guide gives it."""
