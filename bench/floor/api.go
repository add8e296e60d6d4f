package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
)

// api is one identity at one API server.
type api struct {
	server string
	token  string
	client *http.Client
}

type kubeconfig struct {
	Clusters []struct {
		Cluster struct {
			Server string `json:"server"`
			CA     string `json:"certificate-authority-data"`
		} `json:"cluster"`
	} `json:"clusters"`
	Users []struct {
		User struct {
			Token string `json:"token"`
		} `json:"user"`
	} `json:"users"`
}

// connect reads a kubeconfig as hack/controlplane writes it: JSON, one cluster, one user with a token.
func connect(path string, connections int) (*api, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var config kubeconfig
	if err := json.Unmarshal(text, &config); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(config.Clusters) != 1 || len(config.Users) != 1 {
		return nil, fmt.Errorf("%s: want one cluster and one user", path)
	}
	ca, err := base64.StdEncoding.DecodeString(config.Clusters[0].Cluster.CA)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	// HTTP/1.1 with one connection per worker: for small requests on loopback it is not slower than HTTP/2, and the
	// requests of a worker cannot wait for those of another one.
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: pool},
		TLSNextProto:        map[string]func(string, *tls.Conn) http.RoundTripper{},
		MaxIdleConnsPerHost: connections,
	}
	return &api{
		server: config.Clusters[0].Cluster.Server,
		token:  config.Users[0].User.Token,
		client: &http.Client{Transport: transport},
	}, nil
}

func (a *api) open(method, path, contentType string, body []byte) (*http.Response, error) {
	request, err := http.NewRequest(method, a.server+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+a.token)
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("Accept", "application/json")
	response, err := a.client.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= 300 {
		defer response.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(response.Body, 500))
		return nil, fmt.Errorf("%s %s: %d %s", method, path, response.StatusCode, text)
	}
	return response, nil
}

// send makes one request and throws the answer away.
func (a *api) send(method, path, contentType string, body []byte) error {
	response, err := a.open(method, path, contentType, body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

// object is the part of any object that the floor and the observer look at.
type object struct {
	Metadata struct {
		Name            string `json:"name"`
		UID             string `json:"uid"`
		ResourceVersion string `json:"resourceVersion"`
		Generation      int64  `json:"generation"`
	} `json:"metadata"`
	Spec struct {
		Resources resources `json:"resources"` // of a KasprApp
		Template  struct {
			Spec struct {
				Containers []struct {
					Resources resources `json:"resources"`
				} `json:"containers"`
			} `json:"spec"`
		} `json:"template"` // of a StatefulSet
	} `json:"spec"`
}

type resources struct {
	Requests struct {
		Memory string `json:"memory"`
	} `json:"requests"`
}

// mark is what an edit changes: the memory that an app, or the container of its StatefulSet, asks for.
func (o *object) mark() string {
	for _, container := range o.Spec.Template.Spec.Containers {
		if container.Resources.Requests.Memory != "" {
			return container.Resources.Requests.Memory
		}
	}
	return o.Spec.Resources.Requests.Memory
}

type event struct {
	Type   string `json:"type"`
	Object object `json:"object"`
}

// follow lists a collection and watches it for ever; each object that exists at the start comes as "LISTED",
// then, without an object, "WATCHING".
func (a *api) follow(collection string, tell func(event)) error {
	response, err := a.open("GET", collection, "", nil)
	if err != nil {
		return err
	}
	var list struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
		Items []object `json:"items"`
	}
	err = json.NewDecoder(response.Body).Decode(&list)
	response.Body.Close()
	if err != nil {
		return err
	}
	for _, item := range list.Items {
		tell(event{"LISTED", item})
	}
	tell(event{Type: "WATCHING"})
	version := list.Metadata.ResourceVersion
	for {
		response, err := a.open("GET", collection+"?watch=true&timeoutSeconds=3600&resourceVersion="+version, "", nil)
		if err != nil {
			return err
		}
		decoder := json.NewDecoder(response.Body)
		for {
			var one event
			if err := decoder.Decode(&one); err != nil {
				break // the server ends a watch now and then; it goes on where it was
			}
			if one.Type == "ERROR" {
				return fmt.Errorf("watch of %s: the server gave up", collection)
			}
			version = one.Object.Metadata.ResourceVersion
			tell(one)
		}
		response.Body.Close()
	}
}
