#!/usr/bin/python3
"""Writes the fact lists of core/types (*.def, type_oids.h) from a running PostgreSQL 15.

Usage: tools/dev/gen_types.py 'host=127.0.0.1 port=5432 user=postgres'

What is listed: the types of TYPES with their arrays; every pg_proc row that is implemented here (an
LG_FN, LG_SRF or LG_AGG of its prosrc exists in core/types/*.c; SQL-language functions are named
oid_N), aggregates of those types, window functions, and the functions of EXT, which upper layers
implement; every operator, cast and operator family member whose function is listed."""
import glob, os, re, subprocess, sys
import psycopg2

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OUT = os.path.join(ROOT, "core", "types")

TYPES = """bool bytea char name int8 int2 int2vector int4 regproc text oid tid xid cid oidvector json
 pg_node_tree float4 float8 unknown aclitem bpchar varchar date time timestamp timestamptz interval
 timetz numeric refcursor regprocedure regoper regoperator regclass regcollation regtype regrole
 regnamespace uuid pg_lsn xid8 jsonb pg_ndistinct pg_dependencies pg_mcv_list inet cidr macaddr macaddr8 bit varbit jsonpath cstring any
 anyarray void trigger event_trigger internal anyelement anynonarray anyenum record
 anycompatible anycompatiblearray anycompatiblenonarray language_handler fdw_handler
 index_am_handler table_am_handler tsm_handler""".split()

# Implemented by upper layers (catalog, sessions, storage, cluster): regular expressions on proname.
EXT = [re.compile(r"^(%s)$" % p) for p in """
 nextval currval lastval setval pg_sequence_.* pg_get_.* pg_.*_is_visible has_.*_privilege
 pg_has_role current_database current_schema current_schemas current_user session_user
 current_setting set_config obj_description col_description shobj_description pg_describe_object
 pg_identify_object.* pg_.*_size pg_relation_filenode pg_relation_filepath pg_filenode_relation
 pg_backend_pid pg_cancel_backend pg_terminate_backend pg_reload_conf pg_rotate_logfile
 pg_(try_)?advisory_.* pg_stat_get_.* pg_stat_reset.* pg_stat_clear_snapshot
 pg_stat_have_stats pg_is_in_recovery pg_is_wal_replay_paused pg_current_wal_.* pg_last_.*
 pg_wal.* pg_postmaster_start_time pg_conf_load_time txid_current.* txid_status pg_current_xact_id.*
 pg_xact_status pg_xact_commit_timestamp pg_blocking_pids pg_safe_snapshot_blocking_pids
 pg_lock_status pg_show_all_settings pg_settings_get_flags pg_cursor pg_prepared_statement
 pg_prepared_xact pg_timezone_names pg_timezone_abbrevs pg_sleep pg_export_snapshot pg_notify
 pg_listening_channels pg_notification_queue_usage pg_my_temp_schema pg_is_other_temp_schema
 pg_tablespace_.* pg_column_is_updatable pg_indexam_progress_phasename pg_column_size pg_column_compression pg_char_to_encoding pg_encoding_to_char
 pg_encoding_max_length getdatabaseencoding pg_client_encoding regclass.* regproc.* regoper.*
 regcollation.* regtype.* regrole.* regnamespace.* to_reg.* inet_client_.* inet_server_.*
 row_security_active pg_relation_is_.* pg_index_has_property pg_indexam_has_property
 pg_index_column_has_property pg_collation_.* pg_trigger_depth pg_options_to_table aclexplode
 acldefault aclcontains makeaclitem aclitemin aclitemout pg_config pg_control_.* pg_hba_file_rules pg_ident_file_mappings
 pg_show_all_file_settings pg_available_extension.* pg_extension_.* pg_event_trigger_.*
 pg_partition_.* pg_jit_available pg_rules pg_log_backend_memory_contexts pg_ls_.* pg_read_.*
 pg_relation_.* pg_replication_.* pg_show_replication_origin_status pg_snapshot.* ts_.*_is_visible
 in_hot_standby pg_switch_wal pg_create_restore_point pg_backup_.* pg_promote query_to_xml
 currtid2 _pg_.* pg_input_.* pg_stat_file pg_mcv_list_items parse_ident pg_basetype
 current_query getpgusername age mxid_age pg_logical_.* database_to_xml lo_.* loread lowrite
 """.split()]

def impls():
    """What the sources define, seen by the prototypes that LG_FN, LG_KERNEL and LG_SRF expand to."""
    fns, kernels, srfs = set(), set(), set()
    for f in sorted(glob.glob(os.path.join(OUT, "*.c"))):
        if f.endswith("func_registry.c"):
            continue
        r = subprocess.run(["gcc", "-E", "-P", "-D_GNU_SOURCE", "-I" + OUT, "-I" + os.path.join(ROOT, "core/base"), f],
                           capture_output=True, text=True)
        if r.returncode:
            sys.exit(r.stderr)
        fns |= set(re.findall(r"lg_datum lg_fn_(\w+)\(lg_call \*c\);", r.stdout))
        kernels |= set(re.findall(r"lg_status lg_kn_(\w+)\(lg_call \*c, const lg_vector \*const \*args, "
                                  r"const uint16_t \*sel, uint32_t n, lg_vector \*ret\);", r.stdout))
        srfs |= set(re.findall(r"extern const lg_srf lg_srf_(\w+);", r.stdout))
    fns.discard("_ext")
    return fns, kernels, srfs

def cstr(s):
    return "NULL" if s is None or s == "" else '"%s"' % s.replace("\\", "\\\\").replace('"', '\\"')

def b(x):
    return "true" if x else "false"

def write(name, what, lines):
    c = "/* %s Written by tools/dev/gen_types.py from\n * PostgreSQL 15's catalogs: do not edit. */\n" % what
    with open(os.path.join(OUT, name), "w") as f:
        f.write(c + "\n".join(lines) + "\n")

def main():
    db = psycopg2.connect(sys.argv[1] + " dbname=postgres")
    cur = db.cursor()
    def q(sql, *a):
        cur.execute(sql, a)
        return cur.fetchall()

    # types
    rows = q("""select t.oid, typname, format_type(t.oid, null), typlen, typbyval, typtype, typcategory,
        typispreferred, typdelim, typalign, typstorage, typelem, typarray, typinput::oid, typoutput::oid,
        typreceive::oid, typsend::oid, typmodin::oid, typmodout::oid, typcollation
        from pg_type t where t.oid < 16384 and (typname = any(%s) or typelem in (select oid from pg_type
        where typname = any(%s)) and typcategory = 'A' or typname = '_record') order by t.oid""", TYPES, TYPES)
    byval = {"bool": 1, "char": 1, "int2": 2, "int4": 4, "int8": 8, "float4": 4, "float8": 8, "date": 4,
             "time": 8, "timestamp": 8, "timestamptz": 8, "tid": 8, "pg_lsn": 8, "xid8": 8}
    fixed = {"uuid": 16, "interval": 16, "timetz": 12, "macaddr": 6, "macaddr8": 8}
    pseudo_values = {"void": 4}
    types, lines, enum = {}, [], []
    for r in rows:
        oid, name = r[0], r[1]
        types[oid] = name
        if name in byval:
            store, size = "LG_STORE_BYVAL", byval[name]
        elif name in fixed:
            store, size = "LG_STORE_FIXED", fixed[name]
        elif name == "cstring":
            store, size = "LG_STORE_CSTRING", 0
        elif name in pseudo_values:
            store, size = "LG_STORE_BYVAL", pseudo_values[name]
        elif name == "unknown" or name == "name" or r[3] == -1 and name != "any":
            store, size = "LG_STORE_VARLEN", 0
        elif r[4] and r[5] == "b" and r[3] == 4:
            store, size = "LG_STORE_BYVAL", 4
        elif name == "aclitem":
            store, size = "LG_STORE_VARLEN", 0
        else:
            store, size = "LG_STORE_NONE", 0
        lines.append('LG_TYPE(%d, %s, %s, %d, %s, \'%s\', \'%s\', %s, \'%s\', \'%s\', \'%s\', %d, %d, %d, %d, %d, %d, '
                     '%d, %d, %d, %s, %d)' % (oid, cstr(name), cstr(r[2]), r[3], b(r[4]), r[5], r[6], b(r[7]), r[8],
                     r[9], r[10], *r[11:20], store, size))
        sym = name.upper()
        if sym.startswith("_"):
            sym = sym[1:] + "_ARRAY"
        enum.append("#define LG_T_%s %du" % (sym, oid))
    write("type.def", "LG_TYPE(oid, name, sql name, typlen, byval, typtype, category, preferred, delim, align,\n"
          " * storage, elem, array, in, out, recv, send, modin, modout, collation, store, size), by OID.\n *", lines)
    with open(os.path.join(OUT, "type_oids.h"), "w") as f:
        f.write("/* OIDs of the built-in types. Written by tools/dev/gen_types.py: do not edit. */\n"
                "#ifndef LG_TYPES_TYPE_OIDS_H\n#define LG_TYPES_TYPE_OIDS_H\n\n" + "\n".join(enum) + "\n\n#endif\n")

    # functions
    fns, kernels, srfs = impls()
    rows = q("""select p.oid, proname, prokind, prorettype, proargtypes::oid[], pronargdefaults,
        pg_get_expr(proargdefaults, 0), provariadic, provolatile, proisstrict, proretset, proleakproof,
        proargnames, proargmodes::text[], proallargtypes, prosrc, prolang, a.aggfnoid is not null, l.lanname
        from pg_proc p join pg_language l on l.oid = prolang left join pg_aggregate a on aggfnoid = p.oid
        where p.oid < 16384
        and pronamespace = 'pg_catalog'::regnamespace order by proname collate "C", p.oid""")
    funcs, lines, decls = {}, [], set()
    for r in rows:
        (oid, name, kind, ret, args, ndef, defs, variadic, vol, strict, retset, leak, argnames, modes, allargs,
         src, lang, isagg, lanname) = r
        args = list(args) if not isinstance(args, str) else [int(x) for x in args.strip("{}").split(",") if x]
        if lanname == "sql":
            src = "oid_%d" % oid
        if any(a not in types for a in args) or ret not in types:
            continue
        fn = kern = srf = "NULL"
        flags = []
        if kind == "f" and src in fns:
            fn = "lg_fn_" + src
        elif kind == "f" and src in srfs and retset:
            pass
        elif kind in "aw":
            if name in ("xmlagg", "range_agg") or name.startswith("regr_") and False:
                continue
        elif kind == "f" and any(e.match(name) for e in EXT):
            fn = "lg_fn__ext"
            flags.append("LG_FUNC_EXT")
        else:
            continue
        if src in srfs and retset:
            srf = "&lg_srf_" + src
            fn = "NULL"
        if src in kernels and kind == "f":
            kern = "lg_kn_" + src
        for d in (fn, kern, srf):
            if d != "NULL" and d != "lg_fn__ext":
                decls.add(d.lstrip("&"))
        if strict: flags.append("LG_FUNC_STRICT")
        if retset: flags.append("LG_FUNC_RETSET")
        if leak: flags.append("LG_FUNC_LEAKPROOF")
        outs = []
        if modes and allargs and ret == 2249:
            al = list(allargs) if not isinstance(allargs, str) else [int(x) for x in allargs.strip("{}").split(",")]
            outs = [t for t, m in zip(al, modes) if m in "obt"]
        if any(o not in types for o in outs):
            continue
        arr = lambda xs: "A(%s)" % (", ".join(str(x) for x in xs) if xs else "0")
        funcs[oid] = name
        lines.append("LG_FUNC(%d, %s, '%s', %d, %s, %d, %d, %s, %d, '%s', %s, %s, %d, %s, %s, %s, %s)" % (
            oid, cstr(name), kind, ret, arr(args), len(args), ndef, cstr(defs), variadic, vol,
            " | ".join(flags) or "0", cstr(",".join(argnames) if argnames else None), len(outs), arr(outs),
            fn, kern, srf))
    # of extensions that are built in: OIDs from 15901
    lines.append('LG_FUNC(15901, "pg_stat_statements_reset", \'f\', 2278, A(26, 26, 20), 3, 3, "0, 0, 0", 0, \'v\', '
                 'LG_FUNC_EXT | LG_FUNC_STRICT, "userid,dbid,queryid", 0, A(0), lg_fn__ext, NULL, NULL)')
    lines.sort(key=lambda l: (l.split('"')[1], int(l[8:l.index(",")])))
    write("func.def", "LG_FUNC(oid, name, kind, result, args, nargs, ndefaults, defaults, variadic element,\n"
          " * volatility, flags, argument names, OUT columns, their types, fn, kernel, srf), by name and OID.\n *", lines)
    write("func_decl.def", "Declarations of what func.def names.",
          ["LG_DECL_%s(%s)" % ({"fn": "FN", "kn": "KERNEL", "sr": "SRF"}[d[3:5]], d) for d in sorted(decls)])

    # operators
    lines, ops = [], set()
    rows = q("""select oid, oprname, oprleft, oprright, oprresult, oprcode::oid, oprcom, oprnegate, oprcanmerge,
                oprcanhash from pg_operator where oid < 16384 order by oprname collate "C", oid""")
    keep = [r for r in rows if r[5] in funcs]
    ops = {r[0] for r in keep}
    for r in keep:
        lines.append("LG_OPERATOR(%d, %s, %d, %d, %d, %d, %d, %d, %s, %s)" % (
            r[0], cstr(r[1]), r[2], r[3], r[4], r[5], r[6] if r[6] in ops else 0, r[7] if r[7] in ops else 0,
            b(r[8]), b(r[9])))
    write("operator.def", "LG_OPERATOR(oid, name, left, right, result, func, commutator, negator, merge, hash),\n"
          " * by name and OID.", lines)

    # casts
    lines = []
    for r in q("""select oid, castsource, casttarget, castfunc, castcontext, castmethod from pg_cast
                  where oid < 16384 order by castsource, casttarget"""):
        if r[1] in types and r[2] in types and (r[3] == 0 or r[3] in funcs):
            lines.append("LG_CAST(%d, %d, %d, %d, '%s', '%s')" % r)
    write("cast.def", "LG_CAST(oid, source, target, func, context, method), by source and target.", lines)

    # access methods
    lines, fams = [], set()
    for r in q("""select oid, opcmethod, opcname, opcfamily, opcintype, opcdefault, opckeytype from pg_opclass
                  where oid < 16384 and opcmethod in (403, 405) order by oid"""):
        if r[4] in types and r[4] != 2249 or r[4] == 2249:
            if r[4] in types:
                fams.add(r[3])
                lines.append("LG_OPCLASS(%d, %d, %s, %d, %d, %s, %d)" % (r[0], r[1], cstr(r[2]), r[3], r[4], b(r[5]), r[6]))
    write("opclass.def", "LG_OPCLASS(oid, am, name, family, input type, default, key type), by OID.", lines)
    lines = []
    for r in q("""select oid, amopfamily, amoplefttype, amoprighttype, amopstrategy, amopopr, amopmethod from pg_amop
                  where oid < 16384 and amopmethod in (403, 405) order by amopfamily, amopopr"""):
        if r[1] in fams and r[5] in ops:
            lines.append("LG_AMOP(%d, %d, %d, %d, %d, %d, %d)" % r)
    write("amop.def", "LG_AMOP(oid, family, left, right, strategy, operator, am), by family and operator.", lines)
    lines = []
    for r in q("select aggfnoid::oid, aggsortop from pg_aggregate where aggsortop <> 0 and aggfnoid::oid < 16384 order by 1"):
        if r[0] in funcs:
            lines.append("LG_AGGSORT(%d, %d)" % r)
    write("aggsort.def", "LG_AGGSORT(aggregate, sort operator).", lines)
    missing = fns - {r[15] for r in rows_src(q)}
    if missing:
        print("no pg_proc row for:", " ".join(sorted(missing)))
    print(len(types), "types", len(funcs), "functions", len(ops), "operators")

def rows_src(q):
    return [(0,) * 15 + (("oid_%d" % o) if l == "sql" else s,) for o, s, l in
            q("select p.oid, prosrc, lanname from pg_proc p join pg_language l on l.oid = prolang")]

main()
