// `java ListenOkHttp`: okhttp-eventsource, as its own documentation shows it, at $URL with $TOKEN. Prints the number of each notification, and `end`
// when it is refused for good.
import com.launchdarkly.eventsource.ConnectStrategy;
import com.launchdarkly.eventsource.ErrorStrategy;
import com.launchdarkly.eventsource.EventSource;
import com.launchdarkly.eventsource.StreamException;
import com.launchdarkly.eventsource.StreamHttpErrorException;
import java.net.URI;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;

public class ListenOkHttp {
  private static final Pattern NUMBER = Pattern.compile("\"n\":(\\d+)");

  /** Every failure is tried again, but a refusal. Its default throws at each end, a clean one too. */
  private static class UntilRefused extends ErrorStrategy {
    @Override
    public Result apply(StreamException failure) {
      var refused = failure instanceof StreamHttpErrorException answer && (answer.getCode() == 401 || answer.getCode() == 403);
      return new Result(refused ? Action.THROW : Action.CONTINUE, null);
    }
  }

  public static void main(String[] args) throws Exception {
    var connect = ConnectStrategy.http(URI.create(System.getenv("URL")))
        .header("Authorization", "Bearer " + System.getenv("TOKEN"))
        .readTimeout(45, TimeUnit.SECONDS);
    try (var source = new EventSource.Builder(connect).errorStrategy(new UntilRefused()).build()) {
      while (true) {
        var event = source.readMessage();
        if (event == null || !event.getEventName().equals("message")) continue;
        var found = NUMBER.matcher(event.getData());
        if (found.find()) System.out.println(found.group(1));
      }
    } catch (StreamHttpErrorException refused) {
      System.out.println("end");
    }
  }
}
