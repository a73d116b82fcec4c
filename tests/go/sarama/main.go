// Sarama as its users drive it: a SyncProducer that waits for all replicas, then a partition consumer from the oldest offset.
//
//	sarama BROKER TOPIC COUNT
//
// Sends COUNT keyed records to the existing TOPIC, each acknowledged before the next, reads every partition back and prints a line
// for each record: PARTITION OFFSET KEY VALUE. Any error ends it with status 1. tests/cluster/go_clients.rs runs it.
package main

import (
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"github.com/IBM/sarama"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 4 {
		log.Fatal("usage: sarama BROKER TOPIC COUNT")
	}
	count, err := strconv.Atoi(os.Args[3])
	if err != nil {
		log.Fatalf("COUNT: %v", err)
	}
	brokers, topic := []string{os.Args[1]}, os.Args[2]
	sent, err := produce(brokers, topic, count)
	if err != nil {
		log.Fatalf("produce: %v", err)
	}
	if err := consume(brokers, topic, sent); err != nil {
		log.Fatalf("consume: %v", err)
	}
}

// produce returns how many records each partition has acknowledged, and checks that their offsets go up one by one.
func produce(brokers []string, topic string, count int) (map[int32]int64, error) {
	config := sarama.NewConfig()
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	producer, err := sarama.NewSyncProducer(brokers, config)
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	sent := map[int32]int64{}
	for i := 0; i < count; i++ {
		record := &sarama.ProducerMessage{
			Topic: topic,
			Key:   sarama.StringEncoder(fmt.Sprintf("key-%d", i)),
			Value: sarama.StringEncoder(fmt.Sprintf("value-%d", i)),
		}
		partition, offset, err := producer.SendMessage(record)
		if err != nil {
			return nil, err
		}
		if offset != sent[partition] {
			return nil, fmt.Errorf("partition %d acknowledged offset %d, not %d", partition, offset, sent[partition])
		}
		sent[partition]++
	}
	return sent, nil
}

func consume(brokers []string, topic string, sent map[int32]int64) error {
	consumer, err := sarama.NewConsumer(brokers, sarama.NewConfig())
	if err != nil {
		return err
	}
	defer consumer.Close()
	for partition, records := range sent {
		if err := read(consumer, topic, partition, records); err != nil {
			return fmt.Errorf("partition %d: %w", partition, err)
		}
	}
	return nil
}

func read(consumer sarama.Consumer, topic string, partition int32, records int64) error {
	reader, err := consumer.ConsumePartition(topic, partition, sarama.OffsetOldest)
	if err != nil {
		return err
	}
	defer reader.Close()
	deadline := time.After(30 * time.Second)
	for offset := int64(0); offset < records; offset++ {
		select {
		case record := <-reader.Messages():
			if record.Offset != offset {
				return fmt.Errorf("read offset %d, not %d", record.Offset, offset)
			}
			fmt.Println(partition, record.Offset, string(record.Key), string(record.Value))
		case err := <-reader.Errors():
			return err
		case <-deadline:
			return fmt.Errorf("%d of %d records after 30 s", offset, records)
		}
	}
	return nil
}
