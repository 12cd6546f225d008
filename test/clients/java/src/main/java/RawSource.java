import io.grpc.MethodDescriptor;
import io.grpc.ServerServiceDefinition;
import io.grpc.Status;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.ServerCalls;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;

/** A RawLedgerService of grpc-java; flags and output are those of python/raw_source.py. */
public final class RawSource {
  private static final MethodDescriptor.Marshaller<byte[]> BYTES =
      new MethodDescriptor.Marshaller<>() {
        @Override
        public InputStream stream(byte[] value) {
          return new ByteArrayInputStream(value);
        }

        @Override
        public byte[] parse(InputStream stream) {
          try {
            return stream.readAllBytes();
          } catch (IOException error) {
            throw new UncheckedIOException(error);
          }
        }
      };

  private static void putVarint(ByteArrayOutputStream out, int value) {
    for (; value > 0x7f; value >>>= 7) out.write(value & 0x7f | 0x80);
    out.write(value);
  }

  private static byte[] message(int sequence, byte[] ledger) {
    ByteArrayOutputStream out = new ByteArrayOutputStream(ledger.length + 16);
    out.write(0x08);
    putVarint(out, sequence);
    out.write(0x12);
    putVarint(out, ledger.length);
    out.writeBytes(ledger);
    return out.toByteArray();
  }

  public static void main(String[] args) throws Exception {
    Map<String, String> flags = new TreeMap<>();
    for (int i = 0; i + 1 < args.length; i += 2) flags.put(args[i], args[i + 1]);
    int size = Integer.parseInt(flags.getOrDefault("-size", "0"));
    int count = Integer.parseInt(flags.getOrDefault("-count", "-1"));
    int end = Integer.parseInt(flags.getOrDefault("-end", "-1"));
    byte[] ledger = new byte[size];
    var method =
        MethodDescriptor.newBuilder(BYTES, BYTES)
            .setType(MethodDescriptor.MethodType.SERVER_STREAMING)
            .setFullMethodName("raw_ledger_service.RawLedgerService/StreamRawLedgers")
            .build();
    var handler =
        ServerCalls.asyncServerStreamingCall(
            (byte[] request, io.grpc.stub.StreamObserver<byte[]> given) -> {
              var observer = (ServerCallStreamObserver<byte[]>) given;
              if (flags.containsKey("-gzip")) observer.setCompression("gzip");
              int[] sent = {0};
              observer.setOnReadyHandler(
                  () -> {
                    while (observer.isReady() && sent[0] != count) observer.onNext(message(++sent[0], ledger));
                    if (sent[0] != count || end < 0) return;
                    sent[0] = Integer.MIN_VALUE; // once
                    var status = Status.fromCodeValue(end).withDescription("ended on purpose: 100 % ü");
                    if (end == 0) observer.onCompleted();
                    else observer.onError(status.asRuntimeException());
                  });
            });
    var builder =
        NettyServerBuilder.forAddress(new InetSocketAddress("127.0.0.1", 0))
            .addService(
                ServerServiceDefinition.builder("raw_ledger_service.RawLedgerService")
                    .addMethod(method, handler)
                    .build());
    if (flags.containsKey("-max-age")) {
      builder.maxConnectionAge(Long.parseLong(flags.get("-max-age")), TimeUnit.SECONDS);
    }
    if (flags.containsKey("-ping")) {
      long seconds = Long.parseLong(flags.get("-ping"));
      builder.keepAliveTime(seconds, TimeUnit.SECONDS).keepAliveTimeout(seconds, TimeUnit.SECONDS);
    }
    if (flags.containsKey("-cert")) {
      builder.useTransportSecurity(new File(flags.get("-cert")), new File(flags.get("-key")));
    }
    var server = builder.build().start();
    System.out.println("{\"addr\": \"127.0.0.1:" + server.getPort() + "\"}");
    server.awaitTermination();
  }
}
