import java.util.*;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.TopicPartitionReplica;

/**
 * Moves replicas between log directories with Kafka's own admin client, and tells where they are. Prints a line per wish, the partition
 * and the error's class or "ok"; then a line per replica: partition, directory, "future" or "current", lag, sorted.
 * How: java -cp KAFKA Move.java ADDRESS BROKER [TOPIC PARTITION DIRECTORY]…
 */
class Move {
    public static void main(String[] args) throws Exception {
        int broker = Integer.parseInt(args[1]);
        try (var admin = Admin.create(Map.of("bootstrap.servers", args[0]))) {
            for (int at = 2; at < args.length; at += 3) {
                var replica = new TopicPartitionReplica(args[at], Integer.parseInt(args[at + 1]), broker);
                var outcome = admin.alterReplicaLogDirs(Map.of(replica, args[at + 2])).values().get(replica);
                System.out.println(args[at] + "-" + args[at + 1] + "\t" + told(outcome));
            }
            var lines = new TreeSet<String>();
            admin.describeLogDirs(List.of(broker)).allDescriptions().get().get(broker).forEach((dir, described) ->
                described.replicaInfos().forEach((partition, info) -> lines.add(
                    partition + "\t" + dir + "\t" + (info.isFuture() ? "future" : "current") + "\t" + info.offsetLag())));
            lines.forEach(System.out::println);
        }
    }

    static String told(org.apache.kafka.common.KafkaFuture<Void> outcome) throws Exception {
        try {
            outcome.get();
            return "ok";
        } catch (ExecutionException failed) {
            return failed.getCause().getClass().getSimpleName();
        }
    }
}
