/* Groups and properties as text, XML, JSON and YAML (as PostgreSQL's explain.c). */
#include "explain_out.h"
#include "assert.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

void
lg_xout_init(lg_xout *o, lg_xformat format)
{
    memset(o, 0, sizeof *o);
    o->format = format;
    lg_strbuf_init(&o->b, 1u << 26);
}

void
lg_xout_fini(lg_xout *o)
{
    lg_strbuf_fini(&o->b);
}

void
lg_xout_indent(lg_xout *o)
{
    for (int i = 0; i < 2 * o->indent; i++)
        lg_strbuf_putc(&o->b, ' ');
}

static void
push(lg_xout *o, bool begun)
{
    LG_ASSERT(o->depth < LG_XOUT_DEPTH - 1);
    o->begun[++o->depth] = begun;
}

/* ---- lines ---- */

static void
json_line(lg_xout *o)
{
    if (o->begun[o->depth])
        lg_strbuf_putc(&o->b, ',');
    o->begun[o->depth] = true;
    lg_strbuf_putc(&o->b, '\n');
    lg_xout_indent(o);
}

static void
yaml_line(lg_xout *o)
{
    if (!o->begun[o->depth]) {
        o->begun[o->depth] = true;
        return;
    }
    lg_strbuf_putc(&o->b, '\n');
    lg_xout_indent(o);
}

static void
put_quoted(lg_xout *o, const char *s)
{
    lg_strbuf_putc(&o->b, '"');
    for (; *s; s++) {
        static const char from[] = "\"\\\n\t\r\b\f", to[] = "\"\\ntrbf";
        const char *p = strchr(from, *s);
        if (p)
            lg_strbuf_printf(&o->b, "\\%c", to[p - from]);
        else if ((unsigned char)*s < ' ')
            lg_strbuf_printf(&o->b, "\\u%04x", *s);
        else
            lg_strbuf_putc(&o->b, *s);
    }
    lg_strbuf_putc(&o->b, '"');
}

static void
put_xml(lg_xout *o, const char *s)
{
    for (; *s; s++) {
        switch (*s) {
        case '&':
            lg_strbuf_puts(&o->b, "&amp;");
            break;
        case '<':
            lg_strbuf_puts(&o->b, "&lt;");
            break;
        case '>':
            lg_strbuf_puts(&o->b, "&gt;");
            break;
        case '\r':
            lg_strbuf_puts(&o->b, "&#x0d;");
            break;
        default:
            lg_strbuf_putc(&o->b, *s);
        }
    }
}

static void
xml_tag(lg_xout *o, const char *name, bool closing, bool line)
{
    if (line && !closing)
        lg_xout_indent(o);
    lg_strbuf_puts(&o->b, closing ? "</" : "<");
    for (; *name; name++)
        lg_strbuf_putc(&o->b, isalnum((unsigned char)*name) || strchr("-_.", *name) ? *name : '-');
    lg_strbuf_putc(&o->b, '>');
    if (line)
        lg_strbuf_putc(&o->b, '\n');
}

/* ---- groups ---- */

void
lg_xout_begin(lg_xout *o)
{
    switch (o->format) {
    case LG_XFORMAT_TEXT:
        break;
    case LG_XFORMAT_XML:
        lg_strbuf_puts(&o->b, "<explain xmlns=\"http://www.postgresql.org/2009/explain\">\n");
        o->indent++;
        break;
    case LG_XFORMAT_JSON:
        lg_strbuf_putc(&o->b, '[');
        push(o, false);
        o->indent++;
        break;
    case LG_XFORMAT_YAML:
        push(o, false);
        break;
    }
}

void
lg_xout_end(lg_xout *o)
{
    switch (o->format) {
    case LG_XFORMAT_TEXT:
        break;
    case LG_XFORMAT_XML:
        o->indent--;
        lg_strbuf_puts(&o->b, "</explain>");
        break;
    case LG_XFORMAT_JSON:
        o->indent--;
        lg_strbuf_puts(&o->b, "\n]");
        o->depth--;
        break;
    case LG_XFORMAT_YAML:
        o->depth--;
        break;
    }
}

void
lg_xout_open(lg_xout *o, const char *type, const char *label, bool labeled)
{
    switch (o->format) {
    case LG_XFORMAT_TEXT:
        break;
    case LG_XFORMAT_XML:
        xml_tag(o, type, false, true);
        o->indent++;
        break;
    case LG_XFORMAT_JSON:
        json_line(o);
        if (label) {
            put_quoted(o, label);
            lg_strbuf_puts(&o->b, ": ");
        }
        lg_strbuf_putc(&o->b, labeled ? '{' : '[');
        push(o, false);
        o->indent++;
        break;
    case LG_XFORMAT_YAML:
        yaml_line(o);
        lg_strbuf_puts(&o->b, label ? label : "- ");
        if (label)
            lg_strbuf_puts(&o->b, ": ");
        push(o, label != NULL);
        o->indent++;
        break;
    }
}

void
lg_xout_close(lg_xout *o, const char *type, bool labeled)
{
    switch (o->format) {
    case LG_XFORMAT_TEXT:
        break;
    case LG_XFORMAT_XML:
        o->indent--;
        lg_xout_indent(o);
        xml_tag(o, type, true, true);
        break;
    case LG_XFORMAT_JSON:
        o->indent--;
        lg_strbuf_putc(&o->b, '\n');
        lg_xout_indent(o);
        lg_strbuf_putc(&o->b, labeled ? '}' : ']');
        o->depth--;
        break;
    case LG_XFORMAT_YAML:
        o->indent--;
        o->depth--;
        break;
    }
}

/* ---- properties ---- */

static void
property(lg_xout *o, const char *label, const char *unit, const char *value, bool number)
{
    switch (o->format) {
    case LG_XFORMAT_TEXT:
        lg_xout_indent(o);
        lg_strbuf_printf(&o->b, "%s: %s%s%s\n", label, value, unit ? " " : "", unit ? unit : "");
        break;
    case LG_XFORMAT_XML:
        lg_xout_indent(o);
        xml_tag(o, label, false, false);
        put_xml(o, value);
        xml_tag(o, label, true, false);
        lg_strbuf_putc(&o->b, '\n');
        break;
    case LG_XFORMAT_JSON:
    case LG_XFORMAT_YAML:
        if (o->format == LG_XFORMAT_JSON) {
            json_line(o);
            put_quoted(o, label);
        } else {
            yaml_line(o);
            lg_strbuf_puts(&o->b, label);
        }
        lg_strbuf_puts(&o->b, ": ");
        if (number)
            lg_strbuf_puts(&o->b, value);
        else
            put_quoted(o, value);
        break;
    }
}

void
lg_xout_text(lg_xout *o, const char *label, const char *value)
{
    property(o, label, NULL, value, false);
}

void
lg_xout_int(lg_xout *o, const char *label, const char *unit, uint64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    property(o, label, unit, text, true);
}

void
lg_xout_float(lg_xout *o, const char *label, const char *unit, double value, int digits)
{
    char text[400];
    snprintf(text, sizeof text, "%.*f", digits, value);
    property(o, label, unit, text, true);
}

void
lg_xout_bool(lg_xout *o, const char *label, bool value)
{
    property(o, label, NULL, value ? "true" : "false", true);
}

void
lg_xout_list(lg_xout *o, const char *label, const char *const *items, uint32_t n)
{
    switch (o->format) {
    case LG_XFORMAT_TEXT:
        lg_xout_indent(o);
        lg_strbuf_printf(&o->b, "%s: ", label);
        for (uint32_t i = 0; i < n; i++)
            lg_strbuf_printf(&o->b, "%s%s", i ? ", " : "", items[i]);
        lg_strbuf_putc(&o->b, '\n');
        break;
    case LG_XFORMAT_XML:
        xml_tag(o, label, false, true);
        for (uint32_t i = 0; i < n; i++) {
            lg_xout_indent(o);
            lg_strbuf_puts(&o->b, "  <Item>");
            put_xml(o, items[i]);
            lg_strbuf_puts(&o->b, "</Item>\n");
        }
        lg_xout_indent(o);
        xml_tag(o, label, true, true);
        break;
    case LG_XFORMAT_JSON:
        json_line(o);
        put_quoted(o, label);
        lg_strbuf_puts(&o->b, ": [");
        for (uint32_t i = 0; i < n; i++) {
            if (i)
                lg_strbuf_puts(&o->b, ", ");
            put_quoted(o, items[i]);
        }
        lg_strbuf_putc(&o->b, ']');
        break;
    case LG_XFORMAT_YAML:
        yaml_line(o);
        lg_strbuf_printf(&o->b, "%s: ", label);
        for (uint32_t i = 0; i < n; i++) {
            lg_strbuf_putc(&o->b, '\n');
            lg_xout_indent(o);
            lg_strbuf_puts(&o->b, "  - ");
            put_quoted(o, items[i]);
        }
        break;
    }
}
