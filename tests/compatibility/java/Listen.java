// `java Listen.java`: Java's own HttpClient, in the loop that is its user's, at $URL with $TOKEN. Prints the number of each notification, and
// `end` when it is refused for good.
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.regex.Pattern;

public class Listen {
  private static final Pattern NUMBER = Pattern.compile("\"n\":(\\d+)");

  public static void main(String[] args) throws Exception {
    var http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    var cursor = "";
    var waitMs = 1000L;
    while (true) {
      try {
        var request = HttpRequest.newBuilder(URI.create(System.getenv("URL")))
            .header("Accept", "text/event-stream").header("Authorization", "Bearer " + System.getenv("TOKEN"));
        if (!cursor.isEmpty()) request.header("Last-Event-ID", cursor);
        var answer = http.send(request.build(), BodyHandlers.ofLines());
        if (answer.statusCode() == 401 || answer.statusCode() == 403) break;
        if (answer.statusCode() == 200) {
          var name = "message";
          for (var line : (Iterable<String>) answer.body()::iterator) {
            if (line.startsWith("id: ")) cursor = line.substring(4);
            else if (line.startsWith("retry: ")) waitMs = Long.parseLong(line.substring(7));
            else if (line.startsWith("event: ")) name = line.substring(7);
            else if (line.startsWith("data: ") && name.equals("message")) {
              var found = NUMBER.matcher(line);
              if (found.find()) System.out.println(found.group(1));
            } else if (line.isEmpty()) name = "message";
          }
        }
      } catch (java.io.IOException | java.io.UncheckedIOException cut) {
        System.out.println("# " + cut.getMessage());
      }
      Thread.sleep(waitMs);
    }
    System.out.println("end");
  }
}
