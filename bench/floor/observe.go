package main

import (
	"bufio"
	"encoding/json"
	"os"
	"time"
)

// sight is one line of the observer's output.
type sight struct {
	At         int64  `json:"at"` // nanoseconds since 1970, when the event was read
	Event      string `json:"event"`
	Collection string `json:"collection"`
	Name       string `json:"name"`
	Generation int64  `json:"generation"`
	Mark       string `json:"mark"`
}

// observe prints a line for each event of the collections that are named as arguments; what exists at the start comes as
// LISTED.
func observe(arguments []string) error {
	set, config, _ := flags("observe")
	_ = set.Parse(arguments)
	server, err := connect(*config, set.NArg())
	if err != nil {
		return err
	}
	sights := make(chan sight, 100_000)
	failed := make(chan error, set.NArg())
	for _, collection := range set.Args() {
		go func() {
			failed <- server.follow(collection, func(news event) {
				object := news.Object
				sights <- sight{
					time.Now().UnixNano(), news.Type, collection, object.Metadata.Name, object.Metadata.Generation,
					object.mark(),
				}
			})
		}()
	}
	output := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(output)
	for {
		select {
		case err := <-failed:
			return err
		case one := <-sights:
			if err := encoder.Encode(one); err != nil {
				return err
			}
			if len(sights) == 0 {
				output.Flush()
			}
		}
	}
}
