import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.*;
import java.util.stream.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Reads every partition of one broker or more with Kafka's own consumer, in each isolation level, and prints a line per record:
 * address, isolation, topic, partition, offset, timestamp, key, value, headers, with tabs between them. Bytes are hexadecimal; more than
 * 64 of them are followed by `#` and their SHA-256, as the fixtures have them. No bytes are `-`, which is not the same as none at all.
 * How: java -cp KAFKA Read.java ADDRESS…
 */
class Read {
    static final Duration PATIENCE = Duration.ofSeconds(60);
    static final StringBuilder out = new StringBuilder();

    public static void main(String[] addresses) throws Exception {
        for (String address : addresses)
            for (String isolation : List.of("read_uncommitted", "read_committed"))
                read(address, isolation);
        System.out.write(out.toString().getBytes(StandardCharsets.UTF_8));
        System.out.flush();
    }

    static void read(String address, String isolation) throws Exception {
        Map<String, Object> settings = Map.of(
            "bootstrap.servers", address, "isolation.level", isolation, "auto.offset.reset", "none",
            "enable.auto.commit", "false", "exclude.internal.topics", "false", "check.crcs", "true");
        var bytes = new ByteArrayDeserializer();
        try (var consumer = new KafkaConsumer<>(settings, bytes, bytes)) {
            List<TopicPartition> partitions = consumer.listTopics(PATIENCE).values().stream().flatMap(List::stream)
                .map(one -> new TopicPartition(one.topic(), one.partition()))
                .sorted(Comparator.comparing(TopicPartition::toString)).collect(Collectors.toList());
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions, PATIENCE);
            Map<TopicPartition, List<String>> lines = new HashMap<>();
            long deadline = System.nanoTime() + PATIENCE.toNanos();
            for (;;) {
                List<TopicPartition> unread = partitions.stream()
                    .filter(one -> consumer.position(one, PATIENCE) < ends.get(one)).collect(Collectors.toList());
                if (unread.isEmpty()) break;
                if (System.nanoTime() > deadline) throw new IllegalStateException(address + ": not read to the end: " + unread);
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200)))
                    lines.computeIfAbsent(new TopicPartition(record.topic(), record.partition()), none -> new ArrayList<>())
                        .add(String.join("\t", address, isolation, line(record)));
            }
            for (TopicPartition one : partitions)
                for (String line : lines.getOrDefault(one, List.of())) out.append(line).append('\n');
        }
    }

    static String line(ConsumerRecord<byte[], byte[]> record) throws Exception {
        List<String> headers = new ArrayList<>();
        for (Header header : record.headers())
            headers.add(text(header.key().getBytes(StandardCharsets.UTF_8)) + "=" + text(header.value()));
        return String.join("\t", record.topic(), "" + record.partition(), "" + record.offset(), "" + record.timestamp(),
            text(record.key()), text(record.value()), String.join(",", headers));
    }

    static String text(byte[] bytes) throws Exception {
        if (bytes == null) return "-";
        String hex = HexFormat.of().formatHex(bytes);
        if (bytes.length <= 64) return hex;
        return hex + "#" + HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    }
}
