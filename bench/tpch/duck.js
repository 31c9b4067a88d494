// DuckDB's side of bench/tpch/run: loads the tables, runs the queries, prints one JSON line of seconds.
//   node duck.js DATA_DIR SCHEMA.SQL QUERIES.JSON REPEAT THREADS...
// NODE_PATH has @duckdb/node-api (npm install @duckdb/node-api).
const fs = require('fs');
const { DuckDBInstance } = require('@duckdb/node-api');
async function main() {
    const [data, schema, queries, repeat, ...threads] = process.argv.slice(2);
    const instance = await DuckDBInstance.create(':memory:');
    const c = await instance.connect();
    await c.run(fs.readFileSync(schema, 'utf8'));
    const load = {};
    for (const t of ['region', 'nation', 'supplier', 'part', 'partsupp', 'customer', 'orders', 'lineitem']) {
        const from = process.hrtime.bigint();
        await c.run(`COPY ${t} FROM '${data}/${t}.tbl' (DELIMITER '\t', QUOTE '', ESCAPE '', HEADER false)`);
        load[t] = Number(process.hrtime.bigint() - from) / 1e9;
    }
    const out = { load, times: {} };
    for (const n of threads) {
        await c.run(`SET threads = ${n}`);
        const times = out.times[n] = {};
        for (const [name, sql] of Object.entries(JSON.parse(fs.readFileSync(queries, 'utf8')))) {
            const runs = [];
            for (let i = 0; i <= Number(repeat); i++) {
                const from = process.hrtime.bigint();
                const r = await c.runAndReadAll(sql);
                r.getRows();
                runs.push(Number(process.hrtime.bigint() - from) / 1e9);
            }
            times[name] = Math.min(...runs.slice(1));
        }
    }
    console.log(JSON.stringify(out));
}
main().catch(e => { console.error(e); process.exit(1); });
