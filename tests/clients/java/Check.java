// The Java client of Maven Central, without JDBC, against a running Touriga.
// Usage: java -cp 'lib/*' Check.java FACTS.json; prints `client | check | result`, exits with 1 if
// a check failed. Knows the facts file and org.apache.pinot.client, nothing of Touriga's own code.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.math.BigDecimal;
import java.net.URI;
import java.sql.Timestamp;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.pinot.client.Connection;
import org.apache.pinot.client.ConnectionFactory;
import org.apache.pinot.client.ExecutionStats;
import org.apache.pinot.client.JsonAsyncHttpPinotClientTransportFactory;
import org.apache.pinot.client.PinotClientException;
import org.apache.pinot.client.PreparedStatement;
import org.apache.pinot.client.ResultSet;
import org.apache.pinot.client.ResultSetGroup;

public class Check {
  interface Work {
    void run() throws Exception;
  }

  static final ObjectMapper JSON = new ObjectMapper();
  static JsonNode facts;
  static Connection byList;
  static Connection byController;
  static int failed = 0;

  static void check(String name, Work work) {
    try {
      work.run();
      System.out.println("pinot-java-client | " + name + " | ok");
    } catch (Throwable error) {
      failed++;
      StringBuilder text = new StringBuilder();
      for (Throwable one = error; one != null; one = one.getCause()) {
        text.append(text.length() == 0 ? "" : " <- ").append(one.toString().replaceAll("\\s+", " "));
      }
      System.out.println("pinot-java-client | " + name + " | FAILED: " + text);
    }
  }

  static void expect(boolean holds, String otherwise) {
    if (!holds) {
      throw new IllegalStateException(otherwise);
    }
  }

  public static void main(String[] arguments) throws Exception {
    facts = JSON.readTree(new File(arguments[0]));
    URI controller = URI.create(facts.get("controller").asText());
    String broker = URI.create(facts.get("broker").asText()).getAuthority();
    check("connect by host list, SELECT 1", () -> {
      byList = ConnectionFactory.fromHostList(broker);
      long one = byList.execute("SELECT 1").getResultSet(0).getLong(0);
      expect(one == 1, one + ", 1 expected");
    });
    check("connect through the controller", () -> byController = ConnectionFactory.fromController(controller.getAuthority()));
    check("connect through the controller, scheme, host and port", () -> {
      Connection own = ConnectionFactory.fromController("http", controller.getHost(), controller.getPort());
      expectRows(own.execute(facts.get("queries").get(0).get("sql").asText()), facts.get("queries").get(0));
    });
    for (JsonNode query : facts.get("queries")) {
      check("query: " + query.get("name").asText(),
          () -> expectRows(byController.execute("vendas", query.get("sql").asText()), query));
    }
    check("query without a table, asynchronous", Check::asynchronous);
    check("PreparedStatement", Check::prepared);
    check("types: every value type", Check::types);
    check("multi-stage: a query", () -> multiStage(broker));
    check("query options of the connection", () -> options(broker));
    for (JsonNode error : facts.get("errors")) {
      check("error: " + error.get("name").asText(), () -> refuses(error));
    }
    check("error: handed out where the client shall not fail", () -> handsOut(broker));
    System.out.flush();
    // The client's threads are no daemons.
    Runtime.getRuntime().halt(failed > 0 ? 1 : 0);
  }

  static void expectRows(ResultSetGroup group, JsonNode query) throws Exception {
    expect(group.getExceptions().isEmpty(), "exceptions " + group.getExceptions());
    expect(group.getResultSetCount() == 1, group.getResultSetCount() + " result sets, 1 expected");
    expectStatistics(group.getExecutionStats(), query.get("totalDocs").asLong());
    ResultSet rows = group.getResultSet(0);
    JsonNode names = query.get("columns");
    expect(rows.getColumnCount() == names.size(), rows.getColumnCount() + " columns, " + names.size() + " expected");
    expect(rows.getRowCount() == query.get("rows").size(), rows.getRowCount() + " rows, " + query.get("rows").size() + " expected");
    for (int at = 0; at < names.size(); at++) {
      String got = rows.getColumnName(at) + " " + rows.getColumnDataType(at);
      String wanted = names.get(at).asText() + " " + query.get("types").get(at).asText();
      expect(got.equals(wanted), "column " + at + " is " + got + ", " + wanted + " expected");
      for (int row = 0; row < rows.getRowCount(); row++) {
        expectCell(rows, row, at, query.get("types").get(at).asText(), query.get("rows").get(row).get(at));
      }
    }
  }

  /** A counter that is not there is -1. */
  static void expectStatistics(ExecutionStats stats, long totalDocs) {
    expect(stats.getTotalDocs() == totalDocs, "totalDocs " + stats.getTotalDocs() + ", " + totalDocs + " expected");
    expect(stats.getNumServersQueried() >= 1 && stats.getNumServersResponded() >= stats.getNumServersQueried(),
        stats.getNumServersResponded() + " of " + stats.getNumServersQueried() + " servers answered");
    long[] counters = {stats.getNumDocsScanned(), stats.getNumEntriesScannedInFilter(), stats.getNumEntriesScannedPostFilter(),
        stats.getNumSegmentsQueried(), stats.getNumSegmentsProcessed(), stats.getNumSegmentsMatched(),
        stats.getNumConsumingSegmentsQueried(), stats.getTimeUsedMs()};
    for (long counter : counters) {
      expect(counter >= 0, "a counter is missing: " + stats);
    }
    expect(!stats.isPartialResult() && !stats.isNumGroupsLimitReached(), "partial: " + stats);
  }

  static void expectCell(ResultSet rows, int row, int at, String type, JsonNode wanted) throws Exception {
    String text = rows.getString(row, at);
    boolean same = switch (type) {
      case "INT" -> rows.getInt(row, at) == wanted.asInt();
      case "LONG" -> rows.getLong(row, at) == wanted.asLong();
      case "FLOAT" -> close(rows.getFloat(row, at), wanted.asDouble());
      case "DOUBLE" -> close(rows.getDouble(row, at), wanted.asDouble());
      case "BIG_DECIMAL" -> new BigDecimal(text).compareTo(new BigDecimal(wanted.asText())) == 0;
      case "TIMESTAMP" -> Timestamp.valueOf(text).getTime() == wanted.asLong();
      case "JSON", "INT_ARRAY" -> JSON.readTree(text).equals(wanted);
      default -> text.equals(wanted.asText());
    };
    expect(same, "row " + row + " column " + at + " " + type + " is `" + text + "`, " + wanted + " expected");
  }

  static boolean close(double got, double wanted) {
    return Math.abs(got - wanted) <= 1e-6 * Math.max(1.0, Math.abs(wanted));
  }

  static void asynchronous() throws Exception {
    List<CompletableFuture<ResultSetGroup>> pending = new ArrayList<>();
    for (JsonNode query : facts.get("queries")) {
      pending.add(byController.executeAsync(query.get("sql").asText()));
    }
    for (int at = 0; at < pending.size(); at++) {
      expectRows(pending.get(at).get(30, TimeUnit.SECONDS), facts.get("queries").get(at));
    }
  }

  static void prepared() throws Exception {
    PreparedStatement statement =
        byController.prepareStatement("SELECT COUNT(*) AS n FROM vendas WHERE estado = ? AND quantidade >= ?");
    statement.setString(0, facts.get("parameter").get("value").asText());
    statement.setInt(1, 0);
    long got = statement.execute().getResultSet(0).getLong(0);
    long wanted = facts.get("parameter").get("count").asLong();
    expect(got == wanted, got + ", " + wanted + " expected");
  }

  static void types() throws Exception {
    JsonNode one = facts.get("types");
    List<String> names = new ArrayList<>();
    one.get("columns").forEach(name -> names.add(name.asText()));
    var query = JSON.createObjectNode();
    query.set("columns", one.get("columns"));
    query.set("types", one.get("types"));
    query.set("rows", JSON.createArrayNode().add(one.get("row")));
    query.set("totalDocs", one.get("totalDocs"));
    String sql = "SELECT " + String.join(", ", names) + " " + one.get("from").asText();
    expectRows(byController.execute("alltypes", sql), query);
  }

  /** The client then asks `/query` instead of `/query/sql`. */
  static void multiStage(String broker) throws Exception {
    Properties properties = new Properties();
    properties.setProperty("useMultistageEngine", "true");
    Connection own = connect(properties, broker);
    JsonNode query = facts.get("queries").get(0);
    expectRows(own.execute(query.get("sql").asText()), query);
    String join = "SELECT COUNT(*) AS n FROM vendas a JOIN vendas b ON a.id_venda = b.id_venda";
    long got = own.execute(join).getResultSet(0).getLong(0);
    expect(got >= query.get("totalDocs").asLong(), got + " rows of a join with itself");
  }

  static void options(String broker) throws Exception {
    Properties properties = new Properties();
    properties.setProperty("brokerReadTimeoutMs", "20000");
    properties.setProperty("appId", "checks");
    Connection own = connect(properties, broker);
    JsonNode query = facts.get("queries").get(0);
    expectRows(own.execute("SET timeoutMs = 20000; " + query.get("sql").asText()), query);
  }

  /** With a transport of its own: the one that connections share by default keeps the properties of the first. */
  static Connection connect(Properties properties, String broker) {
    var transport = new JsonAsyncHttpPinotClientTransportFactory().withConnectionProperties(properties).buildTransport();
    return ConnectionFactory.fromHostList(properties, List.of(broker), transport);
  }

  static void refuses(JsonNode error) {
    try {
      ResultSetGroup answer = byList.execute(error.get("sql").asText());
      expect(false, "answered " + answer + ", an error was expected");
    } catch (PinotClientException raised) {
      expect(tells(raised, error), raised + " where " + error.get("code") + " was expected");
    }
  }

  static void handsOut(String broker) {
    Properties properties = new Properties();
    properties.setProperty(Connection.FAIL_ON_EXCEPTIONS, "false");
    Connection own = connect(properties, broker);
    JsonNode error = facts.get("errors").get(0);
    List<PinotClientException> got = own.execute(error.get("sql").asText()).getExceptions();
    expect(got.size() == 1 && tells(got.get(0), error), got + " where " + error.get("code") + " was expected");
  }

  static boolean tells(Throwable raised, JsonNode error) {
    StringBuilder text = new StringBuilder();
    for (Throwable one = raised; one != null; one = one.getCause()) {
      text.append(one).append(' ');
    }
    for (JsonNode code : error.get("code")) {
      if (text.toString().contains(code.asText())) {
        return true;
      }
    }
    return false;
  }
}
