// Sarama at its defaults and pinned to each version of Kafka that it knows, 0.8.2.0 to 3.6.0.0.
//
//	versions BROKER
//
// For each version: a topic is created, or comes by producing where the client has no CreateTopics; ten records are produced, read
// back and compared; the topic is described, its configs altered and described, a partition added, and it is deleted. Prints a line
// for each version: the name, then each step with "ok", or "none" where the client says that this version of Kafka has no such
// request. Any other error ends it with status 1. tests/cluster/old_clients.rs runs it.
package main

import (
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

const records = 10

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: versions BROKER")
	}
	run("default", os.Args[1], sarama.NewConfig())
	for _, version := range sarama.SupportedVersions {
		// Patch releases brought no new versions of requests.
		if name := version.String(); strings.HasSuffix(name, ".0") {
			config := sarama.NewConfig()
			config.Version = version
			run(name, os.Args[1], config)
		}
	}
}

func run(name, broker string, config *sarama.Config) {
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	config.Producer.Retry.Max = 50
	config.Metadata.Retry.Max = 50
	client, err := sarama.NewClient([]string{broker}, config)
	if err != nil {
		log.Fatalf("%s: %v", name, err)
	}
	defer client.Close()
	line, topic := name, "sarama-"+name
	take := func(step string, err error) {
		switch {
		case errors.Is(err, sarama.ErrUnsupportedVersion):
			line += " " + step + "=none"
		case err != nil:
			log.Fatalf("%s %s: %v", line, step, err)
		default:
			line += " " + step + "=ok"
		}
	}
	admin, missing := sarama.NewClusterAdminFromClient(client)
	ask := func(step string, do func() error) {
		if missing != nil {
			take(step, missing)
		} else {
			take(step, do())
		}
	}
	value := "1234567"
	ask("create", func() error {
		return admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}, false)
	})
	take("produce", produce(client, topic))
	take("fetch", fetch(client, topic))
	ask("list", func() error { return list(admin, topic) })
	ask("alter", func() error {
		return admin.AlterConfig(sarama.TopicResource, topic, map[string]*string{"retention.ms": &value}, false)
	})
	ask("describe", func() error { return describe(admin, topic, value) })
	ask("grow", func() error { return admin.CreatePartitions(topic, 2, nil, false) })
	ask("delete", func() error { return admin.DeleteTopic(topic) })
	fmt.Println(line)
}

func produce(client sarama.Client, topic string) error {
	producer, err := sarama.NewSyncProducerFromClient(client)
	if err != nil {
		return err
	}
	defer producer.Close()
	for i := int64(0); i < records; i++ {
		_, offset, err := producer.SendMessage(&sarama.ProducerMessage{
			Topic: topic,
			Key:   sarama.StringEncoder(fmt.Sprintf("key-%d", i)),
			Value: sarama.StringEncoder(fmt.Sprintf("value-%d", i)),
		})
		if err != nil {
			return err
		}
		if offset != i {
			return fmt.Errorf("acknowledged offset %d, not %d", offset, i)
		}
	}
	return nil
}

func fetch(client sarama.Client, topic string) error {
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		return err
	}
	defer consumer.Close()
	reader, err := consumer.ConsumePartition(topic, 0, sarama.OffsetOldest)
	if err != nil {
		return err
	}
	defer reader.Close()
	deadline := time.After(30 * time.Second)
	for i := int64(0); i < records; i++ {
		select {
		case record := <-reader.Messages():
			key, value := string(record.Key), string(record.Value)
			if key != fmt.Sprintf("key-%d", i) || value != fmt.Sprintf("value-%d", i) || record.Offset != i {
				return fmt.Errorf("record %d is %s %s at %d", i, key, value, record.Offset)
			}
		case <-deadline:
			return fmt.Errorf("%d of %d records after 30 s", i, records)
		}
	}
	return nil
}

func list(admin sarama.ClusterAdmin, topic string) error {
	topics, err := admin.DescribeTopics([]string{topic})
	if err == nil && (len(topics) != 1 || topics[0].Err != sarama.ErrNoError || len(topics[0].Partitions) != 1) {
		err = fmt.Errorf("described as %v", topics)
	}
	return err
}

func describe(admin sarama.ClusterAdmin, topic, value string) error {
	configs, err := admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic})
	if err != nil {
		return err
	}
	for _, config := range configs {
		if config.Name == "retention.ms" && config.Value == value {
			return nil
		}
	}
	return fmt.Errorf("described as %v", configs)
}
