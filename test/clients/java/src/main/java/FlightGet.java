import java.io.BufferedOutputStream;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.security.MessageDigest;
import org.apache.arrow.flight.CallOption;
import org.apache.arrow.flight.CallOptions;
import org.apache.arrow.flight.FlightClient;
import org.apache.arrow.flight.FlightDescriptor;
import org.apache.arrow.flight.FlightEndpoint;
import org.apache.arrow.flight.FlightRuntimeException;
import org.apache.arrow.flight.FlightStream;
import org.apache.arrow.flight.Location;
import org.apache.arrow.flight.Ticket;
import org.apache.arrow.flight.auth2.BearerCredentialWriter;
import org.apache.arrow.flight.grpc.CredentialCallOption;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.BitVector;
import org.apache.arrow.vector.FieldVector;
import org.apache.arrow.vector.TimeStampVector;
import org.apache.arrow.vector.UInt4Vector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.dictionary.Dictionary;
import org.apache.arrow.vector.dictionary.DictionaryEncoder;

/**
 * The Java client of the tests: {@code get} of the two others (README.md beside this folder), with the same flags,
 * output and text of rows.
 */
public final class FlightGet {
  private static FlightClient connect(RootAllocator allocator, Map<String, String> flags, String host, int port)
      throws Exception {
    if (!flags.containsKey("-ca")) {
      return FlightClient.builder(allocator, Location.forGrpcInsecure(host, port)).build();
    }
    try (InputStream ca = new FileInputStream(flags.get("-ca"))) {
      var builder =
          FlightClient.builder(allocator, Location.forGrpcTls(host, port)).useTls().trustedCertificates(ca);
      if (!flags.containsKey("-cert")) return builder.build();
      try (InputStream cert = new FileInputStream(flags.get("-cert"));
          InputStream key = new FileInputStream(flags.get("-key"))) {
        return builder.clientCertificate(cert, key).build();
      }
    }
  }

  /** -bearer TOKEN; -login NAME:PASSWORD for a token by Handshake; -old-login the same as Flight's older clients do it. */
  private static CallOption[] withCredentials(FlightClient client, Map<String, String> flags, CallOption deadline) {
    List<CallOption> options = new ArrayList<>(List.of(deadline));
    if (flags.containsKey("-bearer")) {
      options.add(new CredentialCallOption(new BearerCredentialWriter(flags.get("-bearer"))));
    }
    if (flags.containsKey("-login")) {
      String[] login = flags.get("-login").split(":", 2);
      client.authenticateBasicToken(login[0], login[1]).ifPresent(options::add);
    }
    if (flags.containsKey("-old-login")) {
      String[] login = flags.get("-old-login").split(":", 2);
      client.authenticateBasic(login[0], login[1]);
    }
    return options.toArray(new CallOption[0]);
  }

  public static void main(String[] args) throws Exception {
    Map<String, String> flags = new TreeMap<>();
    for (int i = 1; i + 1 < args.length; i += 2) flags.put(args[i], args[i + 1]);
    String[] address = flags.get("-addr").split(":");
    MessageDigest digest = MessageDigest.getInstance("SHA-256");
    long rows = 0;
    long batches = 0;
    String lastAppMetadata = "";
    long begun = System.nanoTime();
    try (RootAllocator allocator = new RootAllocator();
        FlightClient client = connect(allocator, flags, address[0], Integer.parseInt(address[1]));
        OutputStream out =
            flags.containsKey("-rows-out")
                ? new BufferedOutputStream(new FileOutputStream(flags.get("-rows-out")))
                : OutputStream.nullOutputStream()) {
      CallOption deadline = CallOptions.timeout(Integer.parseInt(flags.getOrDefault("-max-seconds", "60")), TimeUnit.SECONDS);
      CallOption[] options = withCredentials(client, flags, deadline);
      List<Ticket> tickets = new ArrayList<>();
      if (flags.containsKey("-ticket")) tickets.add(new Ticket(flags.get("-ticket").getBytes(StandardCharsets.UTF_8)));
      else {
        FlightDescriptor descriptor =
            flags.containsKey("-cmd")
                ? FlightDescriptor.command(flags.get("-cmd").getBytes(StandardCharsets.UTF_8))
                : FlightDescriptor.path(flags.get("-path").split(","));
        for (FlightEndpoint endpoint : client.getInfo(descriptor, options).getEndpoints()) tickets.add(endpoint.getTicket());
      }
      for (Ticket ticket : tickets) {
        try (FlightStream stream = client.getStream(ticket, options)) {
          while (stream.next()) {
            VectorSchemaRoot root = stream.getRoot();
            if (stream.getLatestMetadata() != null) {
              byte[] metadata = new byte[(int) stream.getLatestMetadata().readableBytes()];
              stream.getLatestMetadata().getBytes(0, metadata);
              lastAppMetadata = new String(metadata, StandardCharsets.UTF_8);
            }
            byte[] text = text(root, stream).getBytes(StandardCharsets.UTF_8);
            out.write(text);
            digest.update(text);
            rows += root.getRowCount();
            batches += 1;
          }
        }
      }
    } catch (FlightRuntimeException error) {
      System.out.printf(
          "{\"error\":{\"code\":%s,\"message\":%s},\"partial\":{\"rows\":%d}}%n",
          quote(error.status().code().name()), quote(String.valueOf(error.status().description())), rows);
      System.exit(1);
    }
    System.out.printf(
        "{\"rows\":%d,\"batches\":%d,\"bytes\":0,\"seconds\":%.3f,\"firstBatchSeconds\":-1,\"lastAppMetadata\":%s,\"sha256\":\"%s\",\"schema\":null}%n",
        rows, batches, (System.nanoTime() - begun) / 1e9, quote(lastAppMetadata), HexFormat.of().formatHex(digest.digest()));
  }

  private static String text(VectorSchemaRoot root, FlightStream stream) {
    StringBuilder text = new StringBuilder();
    List<FieldVector> columns = new ArrayList<>();
    List<FieldVector> decoded = new ArrayList<>();
    for (FieldVector column : root.getFieldVectors()) {
      var encoding = column.getField().getDictionary();
      if (encoding == null) columns.add(column);
      else {
        Dictionary dictionary = stream.getDictionaryProvider().lookup(encoding.getId());
        FieldVector plain = (FieldVector) DictionaryEncoder.decode(column, dictionary);
        columns.add(plain);
        decoded.add(plain);
      }
    }
    for (int row = 0; row < root.getRowCount(); row++) {
      for (int i = 0; i < columns.size(); i++) {
        if (i > 0) text.append('\t');
        text.append(cell(columns.get(i), row));
      }
      text.append('\n');
    }
    decoded.forEach(FieldVector::close);
    return text.toString();
  }

  private static String cell(FieldVector column, int row) {
    if (column.isNull(row)) return "\\N";
    if (column instanceof TimeStampVector times) return Long.toString(times.get(row));
    if (column instanceof BitVector bits) return bits.get(row) != 0 ? "true" : "false";
    if (column instanceof UInt4Vector numbers) return Long.toString(Integer.toUnsignedLong(numbers.get(row)));
    Object value = column.getObject(row);
    if (value instanceof byte[] bytes) return HexFormat.of().formatHex(bytes);
    if (value instanceof java.math.BigDecimal decimal) return decimal.unscaledValue().toString();
    return value.toString().replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r");
  }

  private static String quote(String text) {
    StringBuilder out = new StringBuilder("\"");
    for (char c : text.toCharArray()) {
      if (c == '"' || c == '\\') out.append('\\').append(c);
      else if (c < 0x20) out.append(String.format("\\u%04x", (int) c));
      else out.append(c);
    }
    return out.append('"').toString();
  }
}
