// `java PublishSpring`: Spring AMQP's RabbitTemplate, at $AMQP_URL. Publishes $COUNT notifications for $RECIPIENT, one after the other, each with the
// same id until the broker has confirmed it, and prints its number then.
import java.net.URI;
import org.springframework.amqp.AmqpException;
import org.springframework.amqp.rabbit.connection.CachingConnectionFactory;
import org.springframework.amqp.rabbit.connection.CachingConnectionFactory.ConfirmType;
import org.springframework.amqp.rabbit.core.RabbitTemplate;

public class PublishSpring {
  public static void main(String[] args) throws Exception {
    var factory = new CachingConnectionFactory(URI.create(System.getenv("AMQP_URL")));
    factory.setPublisherConfirmType(ConfirmType.SIMPLE);
    var template = new RabbitTemplate(factory);
    var recipient = System.getenv("RECIPIENT");
    for (var n = 0; n < Integer.parseInt(System.getenv("COUNT"));) {
      var key = "recipient." + recipient + ".new_message";
      // A string becomes text/plain: that is its default. The service reads it as JSON.
      var body = """
          {"notification_id": "%1$s-%2$d", "notification_type": "new_message", "recipient_id": "%1$s", "payload": {"n": %2$d}}"""
          .formatted(recipient, n);
      try {
        template.invoke(operations -> {
          operations.convertAndSend(System.getenv("EXCHANGE"), key, body);
          operations.waitForConfirmsOrDie(5000);
          return null;
        });
        System.out.println(n++);
        Thread.sleep(200);
      } catch (AmqpException failed) { // the template connects again by itself: the loop only says it once more
        Thread.sleep(200);
      }
    }
    factory.destroy();
  }
}
