#include "weft/status.h"

#include <string.h>

#include "support/suite.h"

static void every_status_has_its_own_name_and_a_text(void)
{
    CU_ASSERT_EQUAL(WEFT_OK, 0);
    CU_ASSERT_STRING_EQUAL(weft_status_name(WEFT_TOO_DEEP), "WEFT_TOO_DEEP");
    for (int a = 0; a <= WEFT_DROPPED; a++) {
        CU_ASSERT_NOT_EQUAL(weft_status_text((weft_status)a)[0], '\0');
        for (int b = 0; b < a; b++)
            CU_ASSERT_STRING_NOT_EQUAL(weft_status_name((weft_status)a), weft_status_name((weft_status)b));
    }
}

static void an_unknown_status_has_a_name_too(void)
{
    CU_ASSERT_STRING_EQUAL(weft_status_name((weft_status)(WEFT_DROPPED + 1)), "WEFT_UNKNOWN");
    CU_ASSERT_STRING_EQUAL(weft_status_text((weft_status)-1), "unknown status");
}

SUITE(core_status, CASE(every_status_has_its_own_name_and_a_text), CASE(an_unknown_status_has_a_name_too))
