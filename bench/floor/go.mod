module kaspr.io/bench/floor

go 1.24
