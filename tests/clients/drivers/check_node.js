// node-pg with pg-cursor, postgres.js, Sequelize, Knex, Drizzle. NODE_PATH names where they are installed.
// Prints "ok NAME" and "FAIL NAME detail".
const url = process.env.DSN;
function check(name, ok, detail) {
    console.log((ok ? 'ok   ' : 'FAIL ') + name + (ok || detail === undefined ? '' : ' | ' + JSON.stringify(detail)));
}
async function part(name, fn) {
    try { await fn((n, ok, d) => check(name + ': ' + n, ok, d)); }
    catch (e) { check(name + ': ran to its end', false, String(e && e.stack || e).slice(0, 900)); }
}

async function nodePg(check) {
    const { Client, Pool } = require('pg');
    const Cursor = require('pg-cursor');
    const c = new Client({ connectionString: url });
    await c.connect();
    await c.query('drop table if exists np');
    await c.query('create table np (id int primary key, t text, n numeric, ts timestamptz, j jsonb, a int[], b bytea, ok bool)');
    const ts = new Date('2020-01-02T03:04:05.678Z');
    await c.query('insert into np values ($1,$2,$3,$4,$5,$6,$7,$8)', [1, 'é', '1.50', ts, { k: [1] }, [1, null, 3], Buffer.from([0, 1]), true]);
    const r = (await c.query('select * from np where id = $1', [1])).rows[0];
    check('a row of every type comes back', r.t === 'é' && r.n === '1.50' && r.ts.getTime() === ts.getTime() && r.j.k[0] === 1 &&
        r.a[1] === null && r.b[1] === 1 && r.ok === true, r);
    await c.query('insert into np (id) select g from generate_series(2, 1000) g');
    const cur = c.query(new Cursor('select id from np order by id'));
    let n = 0, rows;
    do { rows = await cur.read(100); n += rows.length; } while (rows.length);
    await cur.close();
    check('pg-cursor', n === 1000, n);
    for (let i = 0; i < 3; i++) rows = await c.query({ name: 'q', text: 'select id from np where id = $1', values: [i + 1] });
    check('named statement', rows.rows[0].id === 3);
    let code;
    try { await c.query('insert into np (id) values (1)'); } catch (e) { code = e.code + e.constraint; }
    check('error fields', code === '23505np_pkey', code);
    const multi = await c.query('select 1 as a; select 2 as b');
    check('several statements', multi.length === 2 && multi[1].rows[0].b === 2);
    await c.query('drop table np');
    await c.end();
    const pool = new Pool({ connectionString: url, max: 4 });
    const all = await Promise.all([...Array(20).keys()].map((i) => pool.query('select $1::int as i', [i])));
    check('pool', all.every((x, i) => x.rows[0].i === i));
    await pool.end();
}

async function postgresJs(check) {
    const sql = require('postgres')(url, { max: 3, onnotice: () => 0 });
    await sql`drop table if exists pj`;
    await sql`create table pj (id serial primary key, name text, data jsonb, tags text[])`;
    await sql`insert into pj ${sql([{ name: 'a', data: { x: 1 }, tags: ['p', 'q'] }, { name: 'b', data: null, tags: [] }])}`;
    const rows = await sql`select * from pj order by id`;
    check('rows', rows.length === 2 && rows[0].data.x === 1 && rows[0].tags[1] === 'q', rows);
    let n = 0;
    await sql`select g from generate_series(1, 100) g`.cursor(10, (r) => { n += r.length; });
    check('cursor', n === 100, n);
    const t = await sql.begin(async (s) => {
        await s`insert into pj (name) values ('c')`;
        await s.savepoint(async (p) => { await p`insert into pj (name) values ('d')`; throw new Error('no'); }).catch(() => 0);
        return s`select count(*)::int as n from pj`;
    });
    check('transaction and savepoint', t[0].n === 3, t);
    check('in list', (await sql`select name from pj where name in ${sql(['a', 'b'])}`).length === 2);
    const d = await sql`select * from pj`.describe();
    check('describe', d.columns.length === 4);
    await sql`drop table pj`;
    await sql.end();
}

async function sequelize(check) {
    const { Sequelize, DataTypes, Op } = require('sequelize');
    const s = new Sequelize(url, { logging: false, dialect: 'postgres' });
    await s.authenticate();
    const User = s.define('User', { name: { type: DataTypes.STRING, allowNull: false, unique: true }, n: DataTypes.INTEGER, data: DataTypes.JSONB, tags: DataTypes.ARRAY(DataTypes.STRING) }, { tableName: 'sq_user' });
    const Post = s.define('Post', { title: DataTypes.TEXT, at: DataTypes.DATE }, { tableName: 'sq_post', indexes: [{ fields: ['title'] }] });
    User.hasMany(Post, { onDelete: 'CASCADE' });
    Post.belongsTo(User);
    await s.sync({ force: true });
    const u = await User.create({ name: 'ann', n: 1, data: { k: { x: 5 } }, tags: ['a'], Posts: [{ title: 'one' }, { title: 'two' }] }, { include: Post });
    check('create with children', (await Post.count()) === 2);
    check('include', (await User.findOne({ where: { name: 'ann' }, include: Post })).Posts.length === 2);
    check('jsonb path', (await User.count({ where: { data: { k: { x: 5 } } } })) === 1);
    check('operators', (await User.count({ where: { name: { [Op.iLike]: 'A%' }, tags: { [Op.contains]: ['a'] } } })) === 1);
    await u.increment('n', { by: 4 });
    check('increment', (await u.reload()).n === 5);
    const [x, created] = await User.findCreateFind({ where: { name: 'bob' } });
    check('findCreateFind', created && x.name === 'bob');
    await User.upsert({ id: u.id, name: 'ann', n: 9 });
    check('upsert', (await u.reload()).n === 9);
    let rolled = false;
    try { await s.transaction(async (t) => { await User.create({ name: 'zed' }, { transaction: t }); throw new Error('no'); }); } catch (e) { rolled = (await User.count({ where: { name: 'zed' } })) === 0; }
    check('transaction', rolled);
    const qi = s.getQueryInterface();
    check('describeTable', Object.keys(await qi.describeTable('sq_user')).includes('tags'));
    check('showIndex', (await qi.showIndex('sq_post')).length >= 2);
    check('foreign keys', (await qi.getForeignKeyReferencesForTable('sq_post')).length === 1);
    await s.sync({ alter: true });
    check('sync alter', true);
    await qi.addColumn('sq_user', 'extra', { type: DataTypes.STRING(10), defaultValue: 'x' });
    await qi.renameColumn('sq_user', 'extra', 'more');
    await qi.changeColumn('sq_user', 'more', { type: DataTypes.TEXT });
    await qi.removeColumn('sq_user', 'more');
    check('column changes', true);
    await s.drop();
    await s.close();
}

async function knexjs(check) {
    const k = require('knex')({ client: 'pg', connection: url });
    await k.schema.dropTableIfExists('kn');
    await k.schema.createTable('kn', (t) => { t.increments('id'); t.string('name', 40).notNullable().unique(); t.integer('n').defaultTo(0); t.jsonb('d'); t.timestamps(true, true); });
    check('hasTable', await k.schema.hasTable('kn'));
    const ids = await k('kn').insert([{ name: 'a', n: 1, d: { x: 1 } }, { name: 'b', n: 2 }]).returning('id');
    check('insert returning', ids.length === 2);
    await k('kn').insert({ name: 'a', n: 7 }).onConflict('name').merge();
    check('merge', (await k('kn').where({ name: 'a' }).first()).n === 7);
    check('aggregate', Number((await k('kn').sum('n as s').first()).s) === 9);
    await k.transaction(async (t) => { await t('kn').where({ name: 'b' }).update({ n: 20 }).forUpdate; });
    check('columnInfo', Object.keys(await k('kn').columnInfo()).length === 6);
    await k.schema.alterTable('kn', (t) => { t.string('more'); t.index(['n']); t.renameColumn('name', 'title'); });
    check('hasColumn', await k.schema.hasColumn('kn', 'title'));
    let n = 0;
    for await (const r of k('kn').select('*').stream()) n++;
    check('stream', n === 2);
    check('with', (await k.with('q', k('kn').select('id')).select('*').from('q')).length === 2);
    await k.schema.dropTable('kn');
    await k.destroy();
}

async function drizzle(check) {
    const { drizzle } = require('drizzle-orm/node-postgres');
    const { pgTable, serial, text, integer, jsonb, timestamp } = require('drizzle-orm/pg-core');
    const { eq, sql, desc, count } = require('drizzle-orm');
    const { Pool } = require('pg');
    const pool = new Pool({ connectionString: url });
    const db = drizzle(pool);
    const users = pgTable('dz_user', { id: serial('id').primaryKey(), name: text('name').notNull(), n: integer('n'), data: jsonb('data'), at: timestamp('at').defaultNow() });
    const posts = pgTable('dz_post', { id: serial('id').primaryKey(), userId: integer('user_id'), title: text('title') });
    await db.execute(sql`drop table if exists dz_post, dz_user`);
    await db.execute(sql`create table dz_user (id serial primary key, name text not null, n int, data jsonb, at timestamp default now())`);
    await db.execute(sql`create table dz_post (id serial primary key, user_id int references dz_user (id), title text)`);
    const [u] = await db.insert(users).values({ name: 'ann', n: 1, data: { a: 1 } }).returning();
    await db.insert(posts).values([{ userId: u.id, title: 'x' }, { userId: u.id, title: 'y' }]);
    const rows = await db.select({ name: users.name, n: count(posts.id) }).from(users).leftJoin(posts, eq(posts.userId, users.id)).groupBy(users.name);
    check('join and count', rows.length === 1 && Number(rows[0].n) === 2, rows);
    check('order and limit', (await db.select().from(posts).orderBy(desc(posts.title)).limit(1))[0].title === 'y');
    await db.update(users).set({ n: sql`${users.n} + 5` }).where(eq(users.id, u.id));
    check('update', (await db.select().from(users))[0].n === 6);
    await db.transaction(async (tx) => { await tx.delete(posts); });
    check('transaction', (await db.select().from(posts)).length === 0);
    await db.execute(sql`drop table dz_post, dz_user`);
    await pool.end();
}

(async () => {
    const parts = { 'node-pg': nodePg, 'postgres.js': postgresJs, sequelize, knex: knexjs, drizzle };
    for (const name of process.argv.length > 2 ? process.argv.slice(2) : Object.keys(parts)) await part(name, parts[name]);
    process.exit(0);
})();
