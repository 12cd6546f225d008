import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.arrow.flight.FlightClient;
import org.apache.arrow.flight.FlightDescriptor;
import org.apache.arrow.flight.FlightRuntimeException;
import org.apache.arrow.flight.FlightStatusCode;
import org.apache.arrow.flight.FlightStream;
import org.apache.arrow.flight.Location;
import org.apache.arrow.flight.Ticket;
import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.VectorSchemaRoot;

/**
 * Balances of a range of ledgers, each once, across broken connections and nodes that die: {@code Balances HOST PORT FIRST
 * LAST}. A last ledger of 0 goes on for ever.
 */
public final class Balances {
  private static final String TICKET =
      """
      {"start_ledger": %s, "end_ledger": %s, "schema_version": 2, "dictionaries": false, "filters": {"balances": true},
       "columns": ["ledger_sequence", "contract_id", "balance_holder", "balance_text"], "from": "%s"}""";

  /** What comes beside each batch is JSON; keep its cursor with what you make of the rows. */
  private static final Pattern CURSOR = Pattern.compile("\"cursor\":\"([^\"]+)\"");

  private static final Set<FlightStatusCode> PASSING =
      Set.of(FlightStatusCode.UNAVAILABLE, FlightStatusCode.INTERNAL, FlightStatusCode.RESOURCE_EXHAUSTED);
  private static final long WAIT_MS_FIRST = 200;
  private static final long WAIT_MS_MAX = 30_000;

  public static void main(String[] args) throws InterruptedException {
    Location asked = Location.forGrpcInsecure(args[0], Integer.parseInt(args[1]));
    List<Location> places = List.of(asked);
    String cursor = "start";
    long waitMs = WAIT_MS_FIRST;
    try (RootAllocator allocator = new RootAllocator()) {
      for (int turn = 0; ; turn++) {
        String before = cursor;
        byte[] ticket = TICKET.formatted(args[2], args[3], cursor).getBytes(StandardCharsets.UTF_8);
        try (FlightClient client = FlightClient.builder(allocator, places.get(turn % places.size())).build()) {
          places = new ArrayList<>(nodesOf(client, ticket));
          places.add(asked);
          try (FlightStream stream = client.getStream(new Ticket(ticket))) {
            while (stream.next()) {
              print(stream.getRoot());
              cursor = cursorOf(stream.getLatestMetadata());
            }
          }
          return;
        } catch (FlightRuntimeException error) {
          if (!PASSING.contains(error.status().code())) throw error;
          System.err.println(error.getMessage() + ": going on at " + cursor);
        } catch (RuntimeException error) {
          throw error;
        } catch (Exception error) {
          throw new IllegalStateException(error);
        }
        waitMs = cursor.equals(before) ? Math.min(2 * waitMs, WAIT_MS_MAX) : WAIT_MS_FIRST;
        Thread.sleep(ThreadLocalRandom.current().nextLong(waitMs / 2, waitMs));
      }
    }
  }

  /** Where else the rows are served, in a cluster: any node goes on behind the cursor of another. */
  private static List<Location> nodesOf(FlightClient client, byte[] ticket) {
    try {
      return client.getInfo(FlightDescriptor.command(ticket)).getEndpoints().get(0).getLocations();
    } catch (FlightRuntimeException error) {
      return List.of(); // what is wrong with the ticket, getStream says
    }
  }

  private static void print(VectorSchemaRoot rows) {
    for (int row = 0; row < rows.getRowCount(); row++) {
      StringBuilder line = new StringBuilder();
      for (var column : rows.getFieldVectors()) line.append(column.getObject(row)).append(' ');
      System.out.println(line.toString().stripTrailing());
    }
  }

  private static String cursorOf(ArrowBuf metadata) {
    byte[] bytes = new byte[(int) metadata.readableBytes()];
    metadata.getBytes(0, bytes);
    Matcher found = CURSOR.matcher(new String(bytes, StandardCharsets.UTF_8));
    if (!found.find()) throw new IllegalStateException("a batch came without a cursor");
    return found.group(1);
  }
}
