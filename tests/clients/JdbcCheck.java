/* pgjdbc: connect, prepared statements, server-side prepare, batches, cursors, transactions, metadata. */
import java.math.BigDecimal;
import java.sql.*;
import java.util.*;

public class JdbcCheck {
    static int passed, failed;

    static void check(String name, boolean ok) {
        System.out.println((ok ? "ok   " : "FAIL ") + name);
        if (ok) passed++; else failed++;
    }

    public static void main(String[] args) throws Exception {
        Properties p = new Properties();
        p.setProperty("user", args[1]);
        p.setProperty("password", args[2]);
        p.setProperty("prepareThreshold", "2");
        try (Connection c = DriverManager.getConnection(args[0], p)) {
            try (Statement s = c.createStatement()) {
                s.execute("drop table if exists jdbc_t");
                s.execute("create table jdbc_t (id int primary key, name text, amount numeric(10,2), made timestamp, ok boolean, big bigint, d double precision)");
            }
            try (PreparedStatement ps = c.prepareStatement("insert into jdbc_t values (?, ?, ?, ?, ?, ?, ?)")) {
                for (int i = 1; i <= 5; i++) {
                    ps.setInt(1, i);
                    ps.setString(2, "name" + i);
                    ps.setBigDecimal(3, new BigDecimal("1.25").multiply(BigDecimal.valueOf(i)));
                    ps.setTimestamp(4, Timestamp.valueOf("2020-01-0" + i + " 10:00:00"));
                    ps.setBoolean(5, i % 2 == 0);
                    ps.setLong(6, 10000000000L * i);
                    ps.setDouble(7, i / 4.0);
                    check("insert " + i, ps.executeUpdate() == 1);
                }
            }
            try (PreparedStatement ps = c.prepareStatement("select name, amount, made, ok, big, d from jdbc_t where id = ?")) {
                for (int i = 1; i <= 5; i++) {
                    ps.setInt(1, i);
                    try (ResultSet r = ps.executeQuery()) {
                        check("row " + i, r.next() && r.getString(1).equals("name" + i)
                            && r.getBigDecimal(2).compareTo(new BigDecimal("1.25").multiply(BigDecimal.valueOf(i))) == 0
                            && r.getTimestamp(3).equals(Timestamp.valueOf("2020-01-0" + i + " 10:00:00"))
                            && r.getBoolean(4) == (i % 2 == 0) && r.getLong(5) == 10000000000L * i && r.getDouble(6) == i / 4.0);
                    }
                }
            }
            try (PreparedStatement ps = c.prepareStatement("insert into jdbc_t (id, name) values (?, ?)")) {
                for (int i = 100; i < 200; i++) {
                    ps.setInt(1, i);
                    ps.setString(2, null);
                    ps.addBatch();
                }
                check("batch", ps.executeBatch().length == 100);
            }
            c.setAutoCommit(false);
            try (Statement s = c.createStatement()) {
                s.setFetchSize(7);
                int n = 0;
                try (ResultSet r = s.executeQuery("select id from jdbc_t order by id")) {
                    while (r.next()) n++;
                }
                check("cursor with fetch size", n == 105);
            }
            c.commit();
            try (Statement s = c.createStatement()) {
                s.executeUpdate("delete from jdbc_t where id >= 100");
                Savepoint sp = c.setSavepoint("sp");
                try {
                    s.executeUpdate("insert into jdbc_t (id) values (1)");
                    check("duplicate key is refused", false);
                } catch (SQLException e) {
                    check("duplicate key is refused", "23505".equals(e.getSQLState()));
                }
                c.rollback(sp);
                try (ResultSet r = s.executeQuery("select count(*) from jdbc_t")) {
                    check("after rollback to savepoint", r.next() && r.getInt(1) == 5);
                }
            }
            c.rollback();
            c.setAutoCommit(true);
            try (ResultSet r = c.getMetaData().getColumns(null, "public", "jdbc_t", "%")) {
                int n = 0;
                while (r.next()) n++;
                check("metadata: columns", n == 7);
            }
            try (ResultSet r = c.getMetaData().getPrimaryKeys(null, "public", "jdbc_t")) {
                check("metadata: primary key", r.next() && r.getString("COLUMN_NAME").equals("id"));
            }
            try (ResultSet r = c.getMetaData().getTables(null, "public", "jdbc%", new String[] {"TABLE"})) {
                check("metadata: tables", r.next() && r.getString("TABLE_NAME").equals("jdbc_t"));
            }
            try (Statement s = c.createStatement()) {
                s.execute("drop table jdbc_t");
            }
        } catch (SQLException e) {
            check("jdbc: " + e.getSQLState() + " " + e.getMessage(), false);
        }
        System.out.println(passed + " passed, " + failed + " failed");
    }
}
