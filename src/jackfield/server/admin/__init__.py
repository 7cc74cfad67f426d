"""The admin API, described at `/api/docs`. Imported when it is first asked for: FastAPI is slow to import."""
