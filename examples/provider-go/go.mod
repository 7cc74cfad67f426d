module example.com/relay-go

go 1.22
