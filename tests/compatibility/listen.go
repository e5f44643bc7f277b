// `go run listen.go`: Go's own net/http, in the loop that is its user's, at $URL with $TOKEN. Prints the number of each notification, and `end`
// when it is refused for good.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	cursor, wait := "", time.Second
	for {
		status := read(&cursor, &wait)
		if status == 401 || status == 403 {
			fmt.Println("end")
			return
		}
		time.Sleep(wait)
	}
}

func read(cursor *string, wait *time.Duration) int {
	request, _ := http.NewRequest("GET", os.Getenv("URL"), nil)
	request.Header.Set("Accept", "text/event-stream")
	request.Header.Set("Authorization", "Bearer "+os.Getenv("TOKEN"))
	if *cursor != "" {
		request.Header.Set("Last-Event-ID", *cursor)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	if answer.StatusCode != 200 {
		return answer.StatusCode
	}
	name := "message"
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
		case field == "data" && name == "message":
			var notification struct{ Payload struct{ N int } }
			if json.Unmarshal([]byte(value), &notification) == nil {
				fmt.Println(notification.Payload.N)
			}
		case field == "":
			name = "message"
		}
	}
	return 200
}
