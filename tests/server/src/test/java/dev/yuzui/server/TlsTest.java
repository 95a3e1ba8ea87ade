package dev.yuzui.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.server.RunningServer.Setup;
import dev.yuzui.server.http.HttpOptions;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** With a certificate, made for this test by the JDK's keytool. */
class TlsTest {
  private static final char[] PASSWORD = "changeit".toCharArray();

  @TempDir private Path folder;

  private static KeyStore made(Path file) throws Exception {
    Process keytool =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
                "-genkeypair",
                "-alias",
                "a",
                "-keyalg",
                "EC",
                "-dname",
                "CN=localhost",
                "-ext",
                "san=dns:localhost,ip:127.0.0.1",
                "-storetype",
                "PKCS12",
                "-keystore",
                file.toString(),
                "-storepass",
                new String(PASSWORD))
            .redirectErrorStream(true)
            .start();
    assertEquals(
        0,
        keytool.waitFor(),
        new String(keytool.getInputStream().readAllBytes(), StandardCharsets.UTF_8));
    return KeyStore.getInstance(file.toFile(), PASSWORD);
  }

  private Path pem(String name, String kind, byte[] der) throws IOException {
    String text = Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(der);
    return Files.writeString(
        folder.resolve(name),
        "-----BEGIN " + kind + "-----\n" + text + "\n-----END " + kind + "-----\n");
  }

  @Test
  void aServerWithACertificateSpeaksHttps() throws Exception {
    KeyStore store = made(folder.resolve("store.p12"));
    Path certificate = pem("cert.pem", "CERTIFICATE", store.getCertificate("a").getEncoded());
    Path key = pem("key.pem", "PRIVATE KEY", store.getKey("a", PASSWORD).getEncoded());
    TrustManagerFactory trust =
        TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    KeyStore known = KeyStore.getInstance("PKCS12");
    known.load(null, null);
    known.setCertificateEntry("a", store.getCertificate("a"));
    trust.init(known);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, trust.getTrustManagers(), null);
    HttpOptions usual = Setup.USUAL.http();
    HttpOptions secured =
        new HttpOptions(
            usual.host(),
            usual.port(),
            List.of(),
            List.of(),
            usual.maxBody(),
            usual.headerTimeout(),
            usual.bodyTimeout(),
            usual.writeTimeout(),
            Optional.of(new HttpOptions.Tls(certificate, key)));
    try (RunningServer server = RunningServer.open(Setup.USUAL.with(_ -> secured));
        HttpClient client = HttpClient.newBuilder().sslContext(context).build()) {
      HttpRequest request =
          HttpRequest.newBuilder(
                  URI.create("https://127.0.0.1:" + server.port() + "/v1/completions"))
              .header("Content-Type", "application/json")
              .POST(
                  HttpRequest.BodyPublishers.ofString(
                      "{\"prompt\":\"Once\",\"max_tokens\":4,\"stream\":true}"))
              .build();
      HttpResponse<String> reply = client.send(request, HttpResponse.BodyHandlers.ofString());
      assertEquals(200, reply.statusCode());
      assertTrue(reply.body().endsWith("data: [DONE]\n\n"));
    }
  }
}
