import java.nio.charset.StandardCharsets;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.arrow.flight.FlightClient;
import org.apache.arrow.flight.FlightRuntimeException;
import org.apache.arrow.flight.FlightStatusCode;
import org.apache.arrow.flight.FlightStream;
import org.apache.arrow.flight.Location;
import org.apache.arrow.flight.Ticket;
import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.VectorSchemaRoot;

/**
 * Balances of a range of ledgers, each once, across broken connections: {@code Balances HOST PORT FIRST LAST}. A last
 * ledger of 0 goes on for ever.
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
    Location location = Location.forGrpcInsecure(args[0], Integer.parseInt(args[1]));
    String cursor = "start";
    long waitMs = WAIT_MS_FIRST;
    try (RootAllocator allocator = new RootAllocator();
        FlightClient client = FlightClient.builder(allocator, location).build()) {
      while (true) {
        String before = cursor;
        Ticket ticket = new Ticket(TICKET.formatted(args[2], args[3], cursor).getBytes(StandardCharsets.UTF_8));
        try (FlightStream stream = client.getStream(ticket)) {
          while (stream.next()) {
            print(stream.getRoot());
            cursor = cursorOf(stream.getLatestMetadata());
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
