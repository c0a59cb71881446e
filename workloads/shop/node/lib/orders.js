'use strict';
// The payments' database: paid orders, and the outbox of their events, written in one transaction.
// What is committed survives the death of the process; synchronous=NORMAL may lose the last commits with the power.

const fs = require('node:fs');
const path = require('node:path');

const sqlite3 = require('sqlite3'); // Debian's: its native part is built against Debian's Node and SQLite

const SCHEMA = `
CREATE TABLE IF NOT EXISTS orders (
  id TEXT PRIMARY KEY, user TEXT NOT NULL, key TEXT NOT NULL, basket TEXT NOT NULL, answer TEXT NOT NULL,
  UNIQUE (user, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox (
  number INTEGER PRIMARY KEY, event TEXT NOT NULL UNIQUE, payload TEXT NOT NULL, published INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS pending ON outbox (number) WHERE published = 0;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
`;

// A connection whose methods are promises.
class Connection {
  static async open(file) {
    const connection = new Connection();
    await new Promise((resolve, reject) => {
      connection.db = new sqlite3.Database(file, (error) => (error ? reject(error) : resolve()));
    });
    await connection.script('PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=5000;');
    return connection;
  }

  script(sql) {
    return new Promise((resolve, reject) => {
      this.db.exec(sql, (error) => (error ? reject(error) : resolve()));
    });
  }

  run(sql, ...given) {
    return new Promise((resolve, reject) => {
      this.db.run(sql, given, function done(error) {
        if (error) reject(error);
        else resolve(this.changes);
      });
    });
  }

  get(sql, ...given) {
    return new Promise((resolve, reject) => {
      this.db.get(sql, given, (error, row) => (error ? reject(error) : resolve(row)));
    });
  }

  all(sql, ...given) {
    return new Promise((resolve, reject) => {
      this.db.all(sql, given, (error, rows) => (error ? reject(error) : resolve(rows)));
    });
  }
}

class Orders {
  static async open(file) {
    fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    const orders = new Orders();
    // Its calls run in other threads, so a transaction is a sequence that others could come into: they queue for it.
    orders.writer = await Connection.open(file);
    await orders.writer.script(SCHEMA);
    orders.reader = await Connection.open(file);
    orders.last = Promise.resolve();
    return orders;
  }

  // What `work` does, all of it or nothing, after every transaction that was asked for earlier.
  transaction(work) {
    const mine = this.last.then(async () => {
      await this.writer.run('BEGIN IMMEDIATE');
      try {
        const result = await work(this.writer);
        await this.writer.run('COMMIT');
        return result;
      } catch (error) {
        await this.writer.run('ROLLBACK');
        throw error;
      }
    });
    this.last = mine.catch(() => {});
    return mine;
  }

  byKey(user, key, connection = this.reader) {
    return connection.get('SELECT id, basket, answer FROM orders WHERE user = ? AND key = ?', user, key);
  }

  byId(user, id) {
    return this.reader.get('SELECT id, basket, answer FROM orders WHERE id = ? AND user = ?', id, user);
  }

  // Keeps the order and its event, both or neither. Resolves to the one that was there before, if there was one.
  pay(user, key, order, event) {
    return this.transaction(async (db) => {
      const earlier = await this.byKey(user, key, db);
      if (earlier) return earlier;
      await db.run('INSERT INTO orders VALUES (?, ?, ?, ?, ?)', order.id, user, key, order.basket, order.answer);
      await db.run('INSERT INTO outbox (event, payload) VALUES (?, ?)', order.id, event);
      return order;
    });
  }

  // The oldest events that the broker has not acknowledged.
  pending(limit) {
    return this.reader.all(
      'SELECT number, event, payload FROM outbox WHERE published = 0 ORDER BY number LIMIT ?',
      limit,
    );
  }

  published(numbers) {
    const marks = numbers.map(() => '?').join(',');
    return this.transaction((db) => db.run(`UPDATE outbox SET published = 1 WHERE number IN (${marks})`, ...numbers));
  }

  // Whether that stream is new to us: then every event is pending again, for it holds none of them.
  publishInto(stream) {
    return this.transaction(async (db) => {
      const row = await db.get("SELECT value FROM facts WHERE name = 'stream'");
      if (row && row.value === stream) return false;
      await db.run("INSERT OR REPLACE INTO facts VALUES ('stream', ?)", stream);
      await db.run('UPDATE outbox SET published = 0 WHERE published = 1');
      return true;
    });
  }

  async counts() {
    const { orders } = await this.reader.get('SELECT count(*) AS orders FROM orders');
    const { pending } = await this.reader.get('SELECT count(*) AS pending FROM outbox WHERE published = 0');
    return { orders, pending };
  }
}

module.exports = { Orders };
