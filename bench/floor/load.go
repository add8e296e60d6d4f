package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

type request struct {
	Method string          `json:"method"`
	Path   string          `json:"path"`
	Type   string          `json:"type"`
	Body   json.RawMessage `json:"body"`
}

// load sends the requests of standard input, one a line, and says when the first began and the last ended.
func load(arguments []string) error {
	set, config, concurrency := flags("load")
	_ = set.Parse(arguments)
	server, err := connect(*config, *concurrency)
	if err != nil {
		return err
	}
	var requests []request
	decoder := json.NewDecoder(bufio.NewReaderSize(os.Stdin, 1<<20))
	for decoder.More() {
		var one request
		if err := decoder.Decode(&one); err != nil {
			return err
		}
		requests = append(requests, one)
	}
	var next atomic.Int64
	var workers sync.WaitGroup
	failures := make(chan error, len(requests))
	began := time.Now()
	for range *concurrency {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for {
				number := int(next.Add(1)) - 1
				if number >= len(requests) {
					return
				}
				one := requests[number]
				if err := server.send(one.Method, one.Path, one.Type, one.Body); err != nil {
					failures <- err
				}
			}
		}()
	}
	workers.Wait()
	ended := time.Now()
	if len(failures) > 0 {
		return fmt.Errorf("%d requests failed, the first: %w", len(failures), <-failures)
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]int64{"began": began.UnixNano(), "ended": ended.UnixNano()})
}
