package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"sync"
)

// plan is what the floor writes for an app, rendered for an app with the given name, UID and mark.
type plan struct {
	Collection string `json:"collection"` // of the apps
	Name       string `json:"name"`
	UID        string `json:"uid"`
	Mark       string `json:"mark"`
	Create     []step `json:"create"` // for a new app, in this order
	Edit       []step `json:"edit"`   // for one whose spec was changed
}

type step struct {
	Path string `json:"path"`
	Body string `json:"body"`
}

type job struct {
	steps []step
	app   object
}

// write is the floor: it sends the same bodies as the controller, as fast as the server takes them, and thinks nothing.
// It compares nothing, reads nothing back, keeps nothing, and reports no status.
func write(arguments []string) error {
	set, config, concurrency := flags("write")
	file := set.String("plan", "", "what to write, in JSON")
	_ = set.Parse(arguments)
	server, err := connect(*config, *concurrency+1)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(*file)
	if err != nil {
		return err
	}
	var todo plan
	if err := json.Unmarshal(text, &todo); err != nil {
		return err
	}
	jobs := make(chan job, 100_000)
	var workers sync.WaitGroup
	for range *concurrency {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for one := range jobs {
				todo.run(server, one)
			}
		}()
	}
	seen := map[string]int64{}
	return server.follow(todo.Collection, func(news event) {
		app := news.Object
		old, known := seen[app.Metadata.UID]
		seen[app.Metadata.UID] = app.Metadata.Generation
		switch {
		case news.Type == "ADDED":
			jobs <- job{todo.Create, app}
		case news.Type == "MODIFIED" && known && old != app.Metadata.Generation:
			jobs <- job{todo.Edit, app}
		}
	})
}

func (p *plan) run(server *api, one job) {
	name, mark := one.app.Metadata.Name, one.app.mark()
	for _, each := range one.steps {
		body := bytes.ReplaceAll([]byte(each.Body), []byte(p.Name), []byte(name))
		body = bytes.ReplaceAll(body, []byte(p.UID), []byte(one.app.Metadata.UID))
		if mark != "" {
			body = bytes.ReplaceAll(body, []byte(fmt.Sprintf("%q", p.Mark)), []byte(fmt.Sprintf("%q", mark)))
		}
		path := string(bytes.ReplaceAll([]byte(each.Path), []byte(p.Name), []byte(name)))
		if err := server.send("PATCH", path, "application/apply-patch+yaml", body); err != nil {
			log.Print(err)
		}
	}
}
