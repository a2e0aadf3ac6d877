// The JDBC driver of Maven Central against a running Touriga.
// Usage: java -cp 'lib/*' Check.java FACTS.json; prints `client | check | result`, exits with 1 if
// a check failed. Knows the facts file and java.sql, nothing of Touriga's own code.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.math.BigDecimal;
import java.net.URI;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.TreeSet;
import java.util.Set;

public class Check {
  interface Work {
    void run() throws Exception;
  }

  static final ObjectMapper JSON = new ObjectMapper();
  static JsonNode facts;
  static Connection connection;
  static int failed = 0;

  static void check(String name, Work work) {
    try {
      work.run();
      System.out.println("jdbc | " + name + " | ok");
    } catch (Throwable error) {
      failed++;
      StringBuilder text = new StringBuilder();
      for (Throwable one = error; one != null; one = one.getCause()) {
        text.append(text.length() == 0 ? "" : " <- ").append(one.toString().replaceAll("\\s+", " "));
      }
      System.out.println("jdbc | " + name + " | FAILED: " + text);
    }
  }

  static void expect(boolean holds, String otherwise) {
    if (!holds) {
      throw new IllegalStateException(otherwise);
    }
  }

  public static void main(String[] arguments) throws Exception {
    facts = JSON.readTree(new File(arguments[0]));
    String url = "jdbc:pinot://" + URI.create(facts.get("controller").asText()).getAuthority();
    check("connect through the controller", () -> {
      Class.forName("org.apache.pinot.client.PinotDriver");
      connection = DriverManager.getConnection(url);
    });
    check("getTables", Check::tables);
    check("getColumns", Check::columns);
    for (JsonNode query : facts.get("queries")) {
      check("query: " + query.get("name").asText(), () -> {
        try (Statement statement = connection.createStatement();
            ResultSet rows = statement.executeQuery(query.get("sql").asText())) {
          expectRows(rows, query);
        }
      });
    }
    check("PreparedStatement", Check::prepared);
    check("types: every value type", Check::types);
    check("Statement without LIMIT", Check::withoutLimit);
    check("query options of the connection", () -> options(url));
    for (JsonNode error : facts.get("errors")) {
      check("error: " + error.get("name").asText(), () -> refuses(error));
    }
    System.out.flush();
    // The driver's threads are no daemons.
    Runtime.getRuntime().halt(failed > 0 ? 1 : 0);
  }

  static void tables() throws Exception {
    Set<String> got = new TreeSet<>();
    try (ResultSet rows = connection.getMetaData().getTables(null, null, "%", null)) {
      while (rows.next()) {
        got.add(rows.getString("TABLE_NAME"));
      }
    }
    Set<String> wanted = new TreeSet<>();
    facts.get("tables").forEach(one -> wanted.add(one.asText()));
    expect(got.equals(wanted), got + ", " + wanted + " expected");
  }

  static void columns() throws Exception {
    var tables = facts.get("columns").fields();
    while (tables.hasNext()) {
      var table = tables.next();
      Set<String> got = new TreeSet<>();
      try (ResultSet rows = connection.getMetaData().getColumns(null, null, table.getKey(), null)) {
        while (rows.next()) {
          got.add(rows.getString("COLUMN_NAME"));
        }
      }
      Set<String> wanted = new TreeSet<>();
      table.getValue().forEach(one -> wanted.add(one.get(0).asText()));
      expect(got.equals(wanted), table.getKey() + ": " + got + ", " + wanted + " expected");
    }
  }

  static void expectRows(ResultSet rows, JsonNode query) throws Exception {
    JsonNode names = query.get("columns");
    for (int at = 0; at < names.size(); at++) {
      String got = rows.getMetaData().getColumnName(at + 1);
      expect(got.equals(names.get(at).asText()), "column " + at + " is " + got + ", " + names.get(at) + " expected");
    }
    int count = 0;
    while (rows.next()) {
      expect(count < query.get("rows").size(), "more than " + count + " rows");
      for (int at = 0; at < names.size(); at++) {
        JsonNode wanted = query.get("rows").get(count).get(at);
        expectCell(rows, at + 1, query.get("types").get(at).asText(), wanted);
      }
      count++;
    }
    expect(count == query.get("rows").size(), count + " rows, " + query.get("rows").size() + " expected");
  }

  static void expectCell(ResultSet rows, int at, String type, JsonNode wanted) throws Exception {
    boolean same = switch (type) {
      case "INT" -> rows.getInt(at) == wanted.asInt();
      case "LONG" -> rows.getLong(at) == wanted.asLong();
      case "FLOAT" -> close(rows.getFloat(at), wanted.asDouble());
      case "DOUBLE" -> close(rows.getDouble(at), wanted.asDouble());
      case "BOOLEAN" -> rows.getBoolean(at) == wanted.asBoolean();
      // Text may have fewer digits or others in its exponent, the number is the same.
      case "BIG_DECIMAL" -> new BigDecimal(rows.getString(at)).compareTo(new BigDecimal(wanted.asText())) == 0;
      // The driver's own format ends at the second.
      case "TIMESTAMP" -> rows.getTimestamp(at).getTime() / 1000 == wanted.asLong() / 1000;
      case "JSON", "INT_ARRAY" -> JSON.readTree(rows.getString(at)).equals(wanted);
      default -> rows.getString(at).equals(wanted.asText());
    };
    expect(same, "column " + at + " " + type + " is `" + rows.getString(at) + "`, " + wanted + " expected");
  }

  static boolean close(double got, double wanted) {
    return Math.abs(got - wanted) <= 1e-6 * Math.max(1.0, Math.abs(wanted));
  }

  static void prepared() throws Exception {
    String sql = "SELECT COUNT(*) AS n FROM vendas WHERE estado = ? AND quantidade >= ?";
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.setString(1, facts.get("parameter").get("value").asText());
      statement.setInt(2, 0);
      try (ResultSet rows = statement.executeQuery()) {
        expect(rows.next(), "no row");
        long wanted = facts.get("parameter").get("count").asLong();
        expect(rows.getLong(1) == wanted, rows.getLong(1) + ", " + wanted + " expected");
      }
    }
  }

  static void types() throws Exception {
    JsonNode one = facts.get("types");
    StringBuilder names = new StringBuilder();
    one.get("columns").forEach(name -> names.append(names.length() == 0 ? "" : ", ").append(name.asText()));
    try (Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery("SELECT " + names + " " + one.get("from").asText())) {
      var query = JSON.createObjectNode();
      query.set("columns", one.get("columns"));
      query.set("types", one.get("types"));
      query.set("rows", JSON.createArrayNode().add(one.get("row")));
      expectRows(rows, query);
    }
  }

  /** The driver appends a limit of its own where there is none. */
  static void withoutLimit() throws Exception {
    try (Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery("SELECT id_venda FROM vendas")) {
      int count = 0;
      while (rows.next()) {
        count++;
      }
      int wanted = facts.get("queries").get(0).get("totalDocs").asInt();
      expect(count == wanted, count + " rows, " + wanted + " expected");
    }
  }

  /** They become `SET name = value;` lines in front of the query. */
  static void options(String url) throws Exception {
    var properties = new java.util.Properties();
    properties.setProperty("timeoutMs", "20000");
    properties.setProperty("enableNullHandling", "true");
    try (Connection own = DriverManager.getConnection(url, properties);
        Statement statement = own.createStatement();
        ResultSet rows = statement.executeQuery(facts.get("queries").get(0).get("sql").asText())) {
      expectRows(rows, facts.get("queries").get(0));
    }
  }

  static void refuses(JsonNode error) throws Exception {
    try (Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery(error.get("sql").asText())) {
      expect(false, "answered, an error was expected");
    } catch (SQLException raised) {
      StringBuilder text = new StringBuilder();
      for (Throwable one = raised; one != null; one = one.getCause()) {
        text.append(one).append(' ');
      }
      boolean known = false;
      for (JsonNode code : error.get("code")) {
        known |= text.toString().contains(code.asText());
      }
      expect(known, text + " where " + error.get("code") + " was expected");
    }
  }
}
