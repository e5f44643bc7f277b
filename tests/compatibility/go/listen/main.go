// `listen-go <client>`: one of Go's clients, as its own documentation shows it, at $URL with $TOKEN. Prints the number of each notification, and
// `end` when it is refused for good.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	donovanhide "github.com/donovanhide/eventsource"
	launchdarkly "github.com/launchdarkly/eventsource"
	r3labs "github.com/r3labs/sse/v2"
	tmaxmax "github.com/tmaxmax/go-sse"
)

var clients = map[string]func(){
	"net/http":                 netHTTP,
	"r3labs/sse":               r3labsSSE,
	"tmaxmax/go-sse":           tmaxmaxSSE,
	"donovanhide/eventsource":  donovanhideEventSource,
	"launchdarkly/eventsource": launchdarklyEventSource,
}

func main() {
	clients[os.Args[1]]()
	fmt.Println("end")
}

func request() *http.Request {
	request, _ := http.NewRequest("GET", os.Getenv("URL"), nil)
	request.Header.Set("Accept", "text/event-stream")
	request.Header.Set("Authorization", bearer())
	return request
}

func bearer() string { return "Bearer " + os.Getenv("TOKEN") }

func isRefused(status int) bool { return status == 401 || status == 403 }

// take prints a notification's number. Events that have another name are no notifications, and some have no data.
func take(name, data string) {
	var notification struct{ Payload struct{ N int } }
	if (name == "" || name == "message") && data != "" && json.Unmarshal([]byte(data), &notification) == nil {
		fmt.Println(notification.Payload.N)
	}
}

// The loop is its user's.
func netHTTP() {
	cursor, wait := "", time.Second
	for !isRefused(read(&cursor, &wait)) {
		time.Sleep(wait)
	}
}

func read(cursor *string, wait *time.Duration) int {
	asked := request()
	if *cursor != "" {
		asked.Header.Set("Last-Event-ID", *cursor)
	}
	answer, err := http.DefaultClient.Do(asked)
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	if answer.StatusCode != 200 {
		return answer.StatusCode
	}
	name := ""
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch {
		case field == "id":
			*cursor = value
		case field == "retry":
			if ms, err := strconv.Atoi(value); err == nil {
				*wait = time.Duration(ms) * time.Millisecond
			}
		case field == "event":
			name = value
		case field == "data":
			take(name, value)
		case field == "":
			name = ""
		}
	}
	return 200
}

// It comes back after an error, and takes a clean end for the end: the loop around it is its user's. The client keeps the cursor.
func r3labsSSE() {
	status := 0
	client := r3labs.NewClient(os.Getenv("URL"))
	client.Headers["Authorization"] = bearer()
	client.ReconnectStrategy = &oneTry{} // its own gives up after 15 minutes, counted from the start
	client.ResponseValidator = func(_ *r3labs.Client, answer *http.Response) error {
		if status = answer.StatusCode; status != 200 {
			answer.Body.Close()
			return errors.New(answer.Status)
		}
		return nil
	}
	for !isRefused(status) {
		client.SubscribeRaw(func(event *r3labs.Event) { take(string(event.Event), string(event.Data)) })
		time.Sleep(time.Second)
	}
}

type oneTry struct{}

func (oneTry) NextBackOff() time.Duration { return -1 }
func (oneTry) Reset()                     {}

// Any status but 200 ends it: the loop around it is its user's. The connection keeps the cursor.
func tmaxmaxSSE() {
	status := 0
	client := tmaxmax.Client{ResponseValidator: func(answer *http.Response) error {
		status = answer.StatusCode
		return tmaxmax.DefaultValidator(answer)
	}}
	connection := client.NewConnection(request())
	connection.SubscribeToAll(func(event tmaxmax.Event) { take(event.Type, event.Data) })
	for !isRefused(status) {
		connection.Connect()
		time.Sleep(time.Second)
	}
}

// It comes back by itself, whatever the status. Errors must be read, or it stands still.
func donovanhideEventSource() {
	stream, err := donovanhide.SubscribeWithRequest("", request())
	if err != nil {
		return
	}
	for {
		select {
		case event := <-stream.Events:
			take(event.Event(), event.Data())
		case <-stream.Errors:
		}
	}
}

func launchdarklyEventSource() {
	stream, err := launchdarkly.SubscribeWithRequestAndOptions(request(),
		launchdarkly.StreamOptionReadTimeout(45*time.Second),
		launchdarkly.StreamOptionErrorHandler(func(err error) launchdarkly.StreamErrorHandlerResult {
			var refused launchdarkly.SubscriptionError
			return launchdarkly.StreamErrorHandlerResult{CloseNow: errors.As(err, &refused) && isRefused(refused.Code)}
		}))
	if err != nil {
		return
	}
	for event := range stream.Events {
		take(event.Event(), event.Data())
	}
}
