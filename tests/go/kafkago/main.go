// kafka-go as its users drive it: a Writer with the Hash balancer that asks for no acknowledgement and lets the topic be made by the
// broker, then a Reader on each partition.
//
//	kafkago BROKER TOPIC COUNT
//
// Writes COUNT keyed records to TOPIC, which is missing, reads every partition back and prints a line for each record: PARTITION
// OFFSET KEY VALUE. Any error ends it with status 1. tests/cluster/go_clients.rs runs it.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 4 {
		log.Fatal("usage: kafkago BROKER TOPIC COUNT")
	}
	count, err := strconv.Atoi(os.Args[3])
	if err != nil {
		log.Fatalf("COUNT: %v", err)
	}
	broker, topic := os.Args[1], os.Args[2]
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	if err := produce(ctx, broker, topic, count); err != nil {
		log.Fatalf("produce: %v", err)
	}
	if err := consume(ctx, broker, topic, count); err != nil {
		log.Fatalf("consume: %v", err)
	}
}

func produce(ctx context.Context, broker, topic string, count int) error {
	writer := &kafka.Writer{
		Addr:                   kafka.TCP(broker),
		Topic:                  topic,
		Balancer:               &kafka.Hash{},
		RequiredAcks:           kafka.RequireNone,
		AllowAutoTopicCreation: true,
		BatchTimeout:           10 * time.Millisecond,
	}
	records := make([]kafka.Message, count)
	for i := range records {
		records[i] = kafka.Message{Key: []byte(fmt.Sprintf("key-%d", i)), Value: []byte(fmt.Sprintf("value-%d", i))}
	}
	// The first attempt makes the broker create the topic and ends with LEADER_NOT_AVAILABLE: kafka-go leaves the rest to its caller.
	err := writer.WriteMessages(ctx, records...)
	for errors.Is(err, kafka.LeaderNotAvailable) || errors.Is(err, kafka.UnknownTopicOrPartition) {
		time.Sleep(100 * time.Millisecond)
		err = writer.WriteMessages(ctx, records...)
	}
	if err != nil {
		return err
	}
	return writer.Close()
}

// consume reads until it has seen all records: nobody has acknowledged them, so the end of the log says nothing.
func consume(ctx context.Context, broker, topic string, count int) error {
	connection, err := kafka.DialContext(ctx, "tcp", broker)
	if err != nil {
		return err
	}
	defer connection.Close()
	partitions, err := connection.ReadPartitions(topic)
	if err != nil {
		return err
	}
	read := make(chan kafka.Message)
	failed := make(chan error)
	for _, partition := range partitions {
		reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{broker}, Topic: topic, Partition: partition.ID, MaxWait: 100 * time.Millisecond})
		defer reader.Close()
		go func() {
			for {
				record, err := reader.ReadMessage(ctx)
				if err != nil {
					failed <- err
					return
				}
				read <- record
			}
		}()
	}
	for i := 0; i < count; i++ {
		select {
		case record := <-read:
			fmt.Println(record.Partition, record.Offset, string(record.Key), string(record.Value))
		case err := <-failed:
			return fmt.Errorf("%d of %d records: %w", i, count, err)
		}
	}
	return nil
}
