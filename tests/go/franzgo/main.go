// franz-go as its users drive it, at its defaults and pinned to each version of Kafka from 0.8.2 on (kversion).
//
//	franzgo BROKER
//
// For each version: a topic is created, or comes by producing where CreateTopics is younger; ten records are produced, read back and
// compared; the topic is listed, its configs altered and described, partitions added, and it is deleted. Prints a line for each version:
// the name, then each step with "ok", or "none" where the client says that this version of Kafka has no such request. Any other
// error ends it with status 1. tests/cluster/old_clients.rs runs it.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
)

const records = 10

var versions = []struct {
	name string
	max  *kversion.Versions
}{
	{"default", nil},
	{"0.8.2", kversion.V0_8_2()},
	{"0.9.0", kversion.V0_9_0()},
	{"0.10.0", kversion.V0_10_0()},
	{"0.10.1", kversion.V0_10_1()},
	{"0.10.2", kversion.V0_10_2()},
	{"0.11.0", kversion.V0_11_0()},
	{"1.0", kversion.V1_0_0()},
	{"1.1", kversion.V1_1_0()},
	{"2.0", kversion.V2_0_0()},
	{"2.1", kversion.V2_1_0()},
	{"2.2", kversion.V2_2_0()},
	{"2.3", kversion.V2_3_0()},
	{"2.4", kversion.V2_4_0()},
	{"2.5", kversion.V2_5_0()},
	{"2.6", kversion.V2_6_0()},
	{"2.7", kversion.V2_7_0()},
	{"2.8", kversion.V2_8_0()},
	{"3.0", kversion.V3_0_0()},
	{"3.1", kversion.V3_1_0()},
	{"3.2", kversion.V3_2_0()},
	{"3.3", kversion.V3_3_0()},
	{"3.4", kversion.V3_4_0()},
	{"3.5", kversion.V3_5_0()},
	{"3.6", kversion.V3_6_0()},
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: franzgo BROKER")
	}
	for _, version := range versions {
		line, err := run(os.Args[1], version.name, version.max)
		if err != nil {
			log.Fatalf("%s: %s: %v", version.name, line, err)
		}
		fmt.Println(line)
	}
}

func run(broker, name string, max *kversion.Versions) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	topic := "franz-" + name
	options := []kgo.Opt{
		kgo.SeedBrokers(broker),
		kgo.DefaultProduceTopic(topic),
		kgo.AllowAutoTopicCreation(),
		kgo.UnknownTopicRetries(-1),
		// A broker of 0.9 never says who the controller is, however often it is asked.
		kgo.RequestRetries(1),
	}
	if max != nil {
		options = append(options, kgo.MaxVersions(max))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return name, err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	return steps(name, []step{
		{"create", func() error {
			created, err := admin.CreateTopic(ctx, 1, 1, nil, topic)
			return first(err, created.Err)
		}},
		{"produce", func() error { return produce(ctx, client) }},
		{"fetch", func() error { return fetch(ctx, topic, options) }},
		{"list", func() error {
			topics, err := admin.ListTopics(ctx, topic)
			if err == nil && len(topics[topic].Partitions) != 1 {
				err = fmt.Errorf("listed as %v", topics)
			}
			return err
		}},
		{"alter", func() error {
			value := "1234567"
			altered, err := admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Name: "retention.ms", Value: &value}}, topic)
			if none(err) {
				altered, err = admin.AlterTopicConfigsState(ctx, []kadm.AlterConfig{{Name: "retention.ms", Value: &value}}, topic)
			}
			if err != nil {
				return err
			}
			_, err = altered.On(topic, func(one *kadm.AlterConfigsResponse) error { return one.Err })
			return err
		}},
		{"describe", func() error {
			described, err := admin.DescribeTopicConfigs(ctx, topic)
			if err != nil {
				return err
			}
			return describe(described, topic)
		}},
		{"grow", func() error {
			grown, err := admin.CreatePartitions(ctx, 1, topic)
			if err != nil {
				return err
			}
			_, err = grown.On(topic, func(one *kadm.CreatePartitionsResponse) error { return one.Err })
			return err
		}},
		{"delete", func() error {
			deleted, err := admin.DeleteTopics(ctx, topic)
			if err != nil {
				return err
			}
			_, err = deleted.On(topic, func(one *kadm.DeleteTopicResponse) error { return one.Err })
			return err
		}},
	})
}

func produce(ctx context.Context, client *kgo.Client) error {
	for i := 0; i < records; i++ {
		record := &kgo.Record{Key: []byte(fmt.Sprintf("key-%d", i)), Value: []byte(fmt.Sprintf("value-%d", i))}
		sent, err := client.ProduceSync(ctx, record).First()
		if err != nil {
			return err
		}
		if sent.Offset != int64(i) {
			return fmt.Errorf("acknowledged offset %d, not %d", sent.Offset, i)
		}
	}
	return nil
}

func fetch(ctx context.Context, topic string, options []kgo.Opt) error {
	start := map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}
	client, err := kgo.NewClient(append(options, kgo.ConsumePartitions(start))...)
	if err != nil {
		return err
	}
	defer client.Close()
	for next := 0; next < records; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		for _, record := range fetches.Records() {
			key, value := string(record.Key), string(record.Value)
			if key != fmt.Sprintf("key-%d", next) || value != fmt.Sprintf("value-%d", next) || record.Offset != int64(next) {
				return fmt.Errorf("record %d is %s %s at %d", next, key, value, record.Offset)
			}
			next++
		}
	}
	return nil
}

func describe(described kadm.ResourceConfigs, topic string) error {
	configs, err := described.On(topic, func(one *kadm.ResourceConfig) error { return one.Err })
	if err != nil {
		return err
	}
	for _, config := range configs.Configs {
		if config.Key == "retention.ms" && config.MaybeValue() == "1234567" {
			return nil
		}
	}
	return fmt.Errorf("described as %v", configs)
}

type step struct {
	name string
	take func() error
}

func steps(name string, all []step) (string, error) {
	line := name
	for _, step := range all {
		err := step.take()
		if err != nil && !none(err) {
			return line, fmt.Errorf("%s: %w", step.name, err)
		}
		line += " " + step.name + "=" + map[bool]string{true: "none", false: "ok"}[none(err)]
	}
	return line, nil
}

// none tells whether the client itself knows that this version of Kafka has no such request, or does not say who the controller is.
func none(err error) bool {
	for _, reason := range []string{"broker is too old", "request key is unknown", "controller broker is not available"} {
		if err != nil && strings.Contains(err.Error(), reason) {
			return true
		}
	}
	return false
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
