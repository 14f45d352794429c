/** The tests of IPsec again, with a kernel that has all of it. */
import "../kernel/xfrm.test.ts";
import "../kernel/xfrm-associations.test.ts";
