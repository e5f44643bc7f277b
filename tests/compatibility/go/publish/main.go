// `publish-go`: RabbitMQ's own client for Go, with a loop around it, at $AMQP_URL. Publishes $COUNT notifications for $RECIPIENT, one after the other,
// each with the same id until the broker has confirmed it, and prints its number then.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

func main() {
	count, _ := strconv.Atoi(os.Getenv("COUNT"))
	var connection *amqp.Connection
	var channel *amqp.Channel
	for n := 0; n < count; {
		var err error
		if connection == nil || connection.IsClosed() { // it does not come back by itself
			if connection, channel, err = open(); err != nil {
				connection = nil
				time.Sleep(200 * time.Millisecond)
				continue
			}
		}
		if publish(channel, n) {
			fmt.Println(n)
			n++
			time.Sleep(200 * time.Millisecond)
		} else {
			connection.Close()
		}
	}
}

func open() (*amqp.Connection, *amqp.Channel, error) {
	connection, err := amqp.Dial(os.Getenv("AMQP_URL"))
	if err != nil {
		return nil, nil, err
	}
	channel, err := connection.Channel()
	if err == nil {
		err = channel.Confirm(false)
	}
	return connection, channel, err
}

func publish(channel *amqp.Channel, n int) bool {
	recipient := os.Getenv("RECIPIENT")
	body := fmt.Sprintf(`{"notification_id": "%s-%d", "notification_type": "new_message", "recipient_id": "%s", "payload": {"n": %d}}`,
		recipient, n, recipient, n)
	// No content type: that is its default. The service reads it as JSON.
	message := amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte(body)}
	key := "recipient." + recipient + ".new_message"
	confirmed, err := channel.PublishWithDeferredConfirm(os.Getenv("EXCHANGE"), key, false, false, message)
	if err != nil {
		return false
	}
	select {
	case <-confirmed.Done():
		return confirmed.Acked()
	case <-time.After(5 * time.Second):
		return false
	}
}
