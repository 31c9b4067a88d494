/* The formats of EXPLAIN: one small tree in each. */
#include "explain_out.h"
#include "lg_test.h"
#include <string.h>

static const char *
tree(lg_xout *o, lg_xformat format)
{
    static const char *const cols[] = {"a", "b & \"c\""};
    lg_xout_init(o, format);
    lg_xout_begin(o);
    lg_xout_open(o, "Query", NULL, true);
    lg_xout_open(o, "Plan", "Plan", true);
    if (!lg_xout_is_text(o))
        lg_xout_text(o, "Node Type", "Result");
    lg_xout_list(o, "Output", cols, 2);
    lg_xout_int(o, "Rows", NULL, 3);
    lg_xout_float(o, "Time", "ms", 1.25, 3);
    lg_xout_bool(o, "Done", true);
    lg_xout_close(o, "Plan", true);
    lg_xout_close(o, "Query", true);
    lg_xout_end(o);
    return o->b.data;
}

LG_TEST(test_explain_out__formats)
{
    lg_xout o;
    CU_ASSERT_STRING_EQUAL(tree(&o, LG_XFORMAT_TEXT),
                           "Output: a, b & \"c\"\nRows: 3\nTime: 1.250 ms\nDone: true\n");
    lg_xout_fini(&o);
    CU_ASSERT_STRING_EQUAL(tree(&o, LG_XFORMAT_JSON),
                           "[\n  {\n    \"Plan\": {\n      \"Node Type\": \"Result\",\n"
                           "      \"Output\": [\"a\", \"b & \\\"c\\\"\"],\n      \"Rows\": 3,\n"
                           "      \"Time\": 1.250,\n      \"Done\": true\n    }\n  }\n]");
    lg_xout_fini(&o);
    CU_ASSERT_STRING_EQUAL(tree(&o, LG_XFORMAT_YAML),
                           "- Plan: \n    Node Type: \"Result\"\n    Output: \n      - \"a\"\n"
                           "      - \"b & \\\"c\\\"\"\n    Rows: 3\n    Time: 1.250\n"
                           "    Done: true");
    lg_xout_fini(&o);
    CU_ASSERT_PTR_NOT_NULL(strstr(tree(&o, LG_XFORMAT_XML), "<Item>b &amp; \"c\"</Item>"));
    lg_xout_fini(&o);
}
