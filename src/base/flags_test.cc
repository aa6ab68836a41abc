// SPDX-License-Identifier: Apache-2.0
#include "base/flags.h"

#include <gtest/gtest.h>

#include <map>

#include "base/nearest.h"
#include "base/printable.h"

namespace flannel::flags_test {
namespace {

using Words = std::vector<std::string>;

class FlagsTest : public testing::Test {
 protected:
  FlagsTest() {
    flags.add({.name = "etcd-prefix", .help = "key prefix"}, prefix);
    flags.add({.name = "etcd-password", .help = "password", .secret = true}, password);
    flags.add({.name = "ip-masq", .help = "masquerade"}, masquerade);
    flags.add({.name = "iptables-forward-rules", .help = "accept"}, forward);
    flags.add({.name = "healthz-port", .help = "port"}, port);
    flags.add({.name = "iface", .help = "interface"}, interfaces);
    flags.add({.name = "version", .help = "version", .in_environment = false}, version);
  }

  ParsedWords parse(const Words& arguments) {
    auto parsed = flags.parse(arguments);
    EXPECT_TRUE(parsed.has_value()) << parsed.error().text;
    return parsed ? *parsed : ParsedWords{};
  }
  std::string mistake(const Words& arguments) {
    const auto parsed = flags.parse(arguments);
    return parsed ? "no mistake" : parsed.error().text;
  }
  Result<void> environment(const std::map<std::string, std::string>& variables) {
    return flags.read_environment("FLANNELD_", [&](const std::string& name) {
      const auto found = variables.find(name);
      return found == variables.end() ? nullptr : found->second.c_str();
    });
  }

  std::string prefix = "/coreos.com/network";
  std::string password;
  bool masquerade = false;
  bool forward = true;
  std::int64_t port = 0;
  std::vector<std::string> interfaces;
  bool version = false;
  Flags flags;
};

TEST_F(FlagsTest, OneDashAndTwoDashesEqualsSignAndNextWordAreTheSame) {
  for (const Words& form : {Words{"-etcd-prefix=/a"},
                            {"--etcd-prefix=/a"},
                            {"-etcd-prefix", "/a"},
                            {"--etcd-prefix", "/a"}}) {
    prefix.clear();
    parse(form);
    EXPECT_EQ(prefix, "/a") << form[0];
  }
}

TEST_F(FlagsTest, AValueMayBeEmptyOrLookLikeAFlagOrHoldAnEqualsSign) {
  parse({"--etcd-prefix="});
  EXPECT_EQ(prefix, "");
  parse({"--etcd-prefix", "--iface"});
  EXPECT_EQ(prefix, "--iface");
  parse({"--etcd-prefix=a=b"});
  EXPECT_EQ(prefix, "a=b");
  EXPECT_TRUE(interfaces.empty());
}

TEST_F(FlagsTest, ABooleanTakesAValueOnlyWithAnEqualsSign) {
  for (const char* yes : {"1", "t", "T", "true", "TRUE", "True"}) {
    masquerade = false;
    parse({std::string("-ip-masq=") + yes});
    EXPECT_TRUE(masquerade) << yes;
  }
  for (const char* no : {"0", "f", "F", "false", "FALSE", "False"}) {
    forward = true;
    parse({std::string("--iptables-forward-rules=") + no});
    EXPECT_FALSE(forward) << no;
  }
  EXPECT_EQ(parse({"-ip-masq", "false"}).words, Words{"false"});
  EXPECT_TRUE(masquerade);
}

TEST_F(FlagsTest, OtherWordsAreNoBooleans) {
  EXPECT_EQ(mistake({"--ip-masq=yes"}), "--ip-masq: \"yes\" is neither true nor false");
  EXPECT_EQ(mistake({"-ip-masq="}), "--ip-masq: \"\" is neither true nor false");
  EXPECT_EQ(mistake({"-ip-masq=tRUE"}), "--ip-masq: \"tRUE\" is neither true nor false");
}

TEST_F(FlagsTest, WholeNumbersFindTheirBase) {
  const std::map<std::string, std::int64_t> forms = {{"0", 0},
                                                     {"42", 42},
                                                     {"-1", -1},
                                                     {"+7", 7},
                                                     {"0x10", 16},
                                                     {"0X1f", 31},
                                                     {"0o17", 15},
                                                     {"0O17", 15},
                                                     {"017", 15},
                                                     {"0b101", 5},
                                                     {"0B1", 1},
                                                     {"1_000", 1000},
                                                     {"0x_1_0", 16},
                                                     {"0_7", 7},
                                                     {"-0x10", -16},
                                                     {"00", 0},
                                                     {"9223372036854775807", INT64_MAX},
                                                     {"-9223372036854775808", INT64_MIN}};
  for (const auto& [text, value] : forms) {
    parse({"--healthz-port=" + text});
    EXPECT_EQ(port, value) << text;
  }
}

TEST_F(FlagsTest, OtherWordsAreNoWholeNumbers) {
  for (const char* text : {"", "x", "1.5", "1e3", "1 2", "--1", "+-1", "-", "0x", "0b2", "08",
                           "0o8", "_1", "1_", "1__0", "0x1_", "0b", "1a", "0_x1"}) {
    EXPECT_EQ(mistake({std::string("--healthz-port=") + text}),
              "--healthz-port: " + in_quotes(text) + " is not a whole number");
  }
  for (const char* text : {"9223372036854775808", "-9223372036854775809", "0x10000000000000000",
                           "99999999999999999999999"}) {
    EXPECT_EQ(mistake({std::string("--healthz-port=") + text}),
              "--healthz-port: " + in_quotes(text) + " does not fit into 64 bits");
  }
}

TEST_F(FlagsTest, TheLastUseWinsAndListsCollectEveryUse) {
  parse({"-etcd-prefix=/a", "-iface", "eth0", "--iface=eth1", "-etcd-prefix", "/b"});
  EXPECT_EQ(prefix, "/b");
  EXPECT_EQ(interfaces, (Words{"eth0", "eth1"}));
}

TEST_F(FlagsTest, WordsBetweenFlagsAreCollectedAndTwoDashesEndTheFlags) {
  EXPECT_EQ(parse({"config", "-iface=a", "-", "set", "--", "--iface", "-h"}).words,
            (Words{"config", "-", "set", "--iface", "-h"}));
  EXPECT_EQ(interfaces, Words{"a"});
}

TEST_F(FlagsTest, HelpIsFoundInEveryPositionButAsAValue) {
  for (const char* word : {"-h", "--h", "-help", "--help", "--help=x"}) {
    EXPECT_TRUE(parse({"--ip-masq", word, "--nonsense"}).help) << word;
  }
  EXPECT_FALSE(parse({"--etcd-prefix", "-h"}).help);
}

TEST_F(FlagsTest, AMistakeNamesTheWord) {
  EXPECT_EQ(mistake({"--ifcae=eth0"}), "unknown flag \"--ifcae\", did you mean --iface?");
  EXPECT_EQ(mistake({"-nothing-like-it"}), "unknown flag \"-nothing-like-it\"");
  EXPECT_EQ(mistake({"--iface"}), "--iface needs a value");
  EXPECT_EQ(mistake({"---iface"}), "\"---iface\" is not a flag");
  EXPECT_EQ(mistake({"-=x"}), "\"-\" is not a flag");
  EXPECT_EQ(mistake({"--x\ny"}), "unknown flag \"--x\\ny\"");
}

TEST_F(FlagsTest, AMistypedPasswordFlagDoesNotPrintThePassword) {
  EXPECT_EQ(mistake({"--etcd-pasword=secret"}),
            "unknown flag \"--etcd-pasword\", did you mean --etcd-password?");
  EXPECT_EQ(mistake({"---etcd-password=secret"}), "\"---etcd-password\" is not a flag");
}

TEST_F(FlagsTest, TheEnvironmentFillsInWhatTheCommandLineLeftOut) {
  parse({"--iface=eth0"});
  ASSERT_TRUE(environment({{"FLANNELD_IFACE", "eth1"},
                           {"FLANNELD_IP_MASQ", "T"},
                           {"FLANNELD_HEALTHZ_PORT", "0x50"},
                           {"FLANNELD_ETCD_PREFIX", ""},
                           {"FLANNELD_VERSION", "v1.2.3"}}));
  EXPECT_EQ(interfaces, Words{"eth0"});
  EXPECT_TRUE(masquerade);
  EXPECT_EQ(port, 80);
  EXPECT_EQ(prefix, "/coreos.com/network");
  EXPECT_EQ(flags.source("iface"), FlagSource::command_line);
  EXPECT_EQ(flags.source("ip-masq"), FlagSource::environment);
  EXPECT_EQ(flags.source("etcd-prefix"), FlagSource::nowhere);
  EXPECT_FALSE(flags.given("version"));
  EXPECT_EQ(flags.label("iface"), "--iface");
  EXPECT_EQ(flags.label("ip-masq"), "FLANNELD_IP_MASQ");
}

TEST_F(FlagsTest, OneVariableIsOneElementOfAList) {
  ASSERT_TRUE(environment({{"FLANNELD_IFACE", "eth0,eth1"}}));
  EXPECT_EQ(interfaces, Words{"eth0,eth1"});
}

TEST_F(FlagsTest, ABadVariableIsAMistakeThatNamesIt) {
  const auto read = environment({{"FLANNELD_HEALTHZ_PORT", "http"}});
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.error().text, "FLANNELD_HEALTHZ_PORT: \"http\" is not a whole number");
  EXPECT_EQ(read.error().kind, ErrorKind::invalid);
}

TEST_F(FlagsTest, UsageListsEveryFlagWithItsDefaultEvenAfterParsing) {
  parse({"--etcd-prefix=/other"});
  EXPECT_EQ(flags.usage(),
            "  --etcd-prefix string\n        key prefix (default \"/coreos.com/network\")\n"
            "  --etcd-password string\n        password\n"
            "  --ip-masq\n        masquerade\n"
            "  --iptables-forward-rules\n        accept (default true)\n"
            "  --healthz-port int\n        port\n"
            "  --iface string (repeatable)\n        interface\n"
            "  --version\n        version\n");
}

TEST_F(FlagsTest, AFlagWithABareValueTakesAnotherOneOnlyWithAnEqualsSign) {
  std::string wait;
  flags.add({.name = "wait", .help = "wait", .bare_value = "60s"}, wait);
  EXPECT_EQ(parse({"--wait", "next"}).words, Words{"next"});
  EXPECT_EQ(wait, "60s");
  parse({"--wait=5s"});
  EXPECT_EQ(wait, "5s");
  EXPECT_NE(flags.usage().find("  --wait[=string]\n        wait\n"), std::string::npos);
}

TEST_F(FlagsTest, TheLogShowsWhatWasGivenButNoSecret) {
  parse({"--iface=eth0", "--iface", "two words", "--etcd-password=secret"});
  ASSERT_TRUE(environment({{"FLANNELD_HEALTHZ_PORT", "80"}}));
  EXPECT_EQ(flags.given_text(),
            "--etcd-password=(hidden) --healthz-port=80 --iface=eth0 --iface=\"two words\"");
}

TEST(NearestTest, FindsTheWordThatWasMeant) {
  const Words commands = {"config", "leases", "version", "help"};
  EXPECT_EQ(nearest("confg", commands), "config");
  EXPECT_EQ(nearest("elases", commands), "leases");
  EXPECT_EQ(nearest("hepl", commands), "help");
  EXPECT_EQ(nearest("verison", commands), "version");
  EXPECT_EQ(nearest("status", commands), std::nullopt);
  EXPECT_EQ(nearest("", commands), std::nullopt);
}

TEST(PrintableTest, ControlCharactersDoNotReachTheTerminal) {
  EXPECT_EQ(printable("a\nb\x1b[31m\x7f"), "a\\nb\\x1b[31m\\x7f");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            "\\x9b31m");
  EXPECT_EQ(printable("Z\xc3\xbcrich \"x\""), "Z\xc3\xbcrich \"x\"");
  EXPECT_EQ(in_quotes("a\"b\\"), "\"a\\\"b\\\\\"");
  EXPECT_EQ(word_or_quoted("10.5.0.0/16"), "10.5.0.0/16");
  EXPECT_EQ(word_or_quoted(""), "\"\"");
}

TEST_F(FlagsTest, APastedDashIsNamed) {
  EXPECT_EQ(mistake({"\u2013-iface=eth0"}),
            "\"\u2013-iface\": the first character is an en dash (U+2013), not -");
  EXPECT_EQ(mistake({"\u2014iface", "eth0"}),
            "\"\u2014iface\": the first character is an em dash (U+2014), not -");
  EXPECT_EQ(mistake({"-\u2212iface=eth0"}),
            "\"-\u2212iface\": the second character is a minus sign (U+2212), not -");
  EXPECT_EQ(mistake({"\u201c--iface=eth0\u201d"}),
            "\"\u201c--iface\": the first character is a typographic quote (U+201C)");
  EXPECT_EQ(mistake({"\u200b--iface=eth0"}),
            "\"\\u200b--iface\": the first character is an invisible zero-width space (U+200B)");
  EXPECT_EQ(mistake({"\"--iface=eth0\""}),
            R"("\"--iface": the first character is a double quote ("), the quotes must go)");
  EXPECT_EQ(mistake({"--etcd\u2013prefix=/a"}),
            "unknown flag \"--etcd\u2013prefix\" has an en dash (U+2013) in it, did you mean "
            "--etcd-prefix?");
  EXPECT_EQ(mistake({"\u2013-etcd-password=secret"}).find("secret"), std::string::npos);
  EXPECT_EQ(parse({"--", "\u2013x"}).words, Words{"\u2013x"});
}

TEST_F(FlagsTest, QuotesAroundAValueAreAMistake) {
  EXPECT_EQ(
      mistake({"--etcd-prefix=\"/a\""}),
      R"(--etcd-prefix: "\"/a\"" begins with a double quote ("); quotes around a value must go)");
  EXPECT_EQ(mistake({"--etcd-prefix", "/a'"}),
            R"(--etcd-prefix: "/a'" ends with a single quote ('); quotes around a value must go)");
  EXPECT_EQ(mistake({"--iface=\u201ceth0\u201d"}),
            "--iface: \"\u201ceth0\u201d\" begins with a typographic quote (U+201C)");
  EXPECT_EQ(mistake({"--iface=eth0\u00a0"}),
            "--iface: \"eth0\u00a0\" ends with a no-break space (U+00A0)");
  EXPECT_EQ(mistake({"--healthz-port=\u22121"}),
            "--healthz-port: \"\u22121\" begins with a minus sign (U+2212), not with -");
  const auto read = environment({{"FLANNELD_ETCD_PREFIX", "'/a'"}});
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().text.find("FLANNELD_ETCD_PREFIX: "), 0U) << read.error().text;
}

TEST_F(FlagsTest, BlanksAroundAValueAreNotPartOfIt) {
  parse({"--etcd-prefix= /a ", "--healthz-port", " 80\r", "--iface=eth0\t", "--ip-masq=true "});
  EXPECT_EQ(prefix, "/a");
  EXPECT_EQ(port, 80);
  EXPECT_EQ(interfaces, Words{"eth0"});
  EXPECT_TRUE(masquerade);
  prefix.clear();
  Flags others;
  others.add({.name = "etcd-prefix", .help = "key prefix"}, prefix);
  ASSERT_TRUE(
      others.read_environment("FLANNELD_", [](const std::string&) { return "/from/windows\r"; }));
  EXPECT_EQ(prefix, "/from/windows");
}

TEST_F(FlagsTest, AFlagGivenTwiceIsNamed) {
  const auto parsed = parse({"--iface=a", "--iface=b", "-etcd-prefix=/a", "--etcd-prefix=/b"});
  EXPECT_EQ(prefix, "/b");
  EXPECT_EQ(parsed.warnings, Words{"--etcd-prefix is given more than once, the last value counts"});
}

TEST_F(FlagsTest, AFreeTextIsTakenAsItIs) {
  std::string user;
  flags.add({.name = "etcd-username", .help = "user", .free_text = true}, user);
  parse({"--etcd-password=\" x\u201d ", "--etcd-username=' y"});
  EXPECT_EQ(password, "\" x\u201d ");
  EXPECT_EQ(user, "' y");
}

class OldFlagsTest : public FlagsTest {
 protected:
  OldFlagsTest() {
    flags.add_old(
        {{.name = "logtostderr", .advice = "it always does", .ignored = true, .has_value = false},
         {.name = "log_dir", .advice = "there are no log files", .ignored = true},
         {.name = "remote", .advice = "hosts ask etcd"},
         {.name = "options", .advice = "the unit has FLANNEL_OPTIONS"},
         {.name = "interface", .now = "iface"}});
  }
};

TEST_F(OldFlagsTest, WhatIsHarmlessIsTakenWithAWarning) {
  const auto parsed =
      parse({"-logtostderr", "--log_dir", "/var/log", "-log-dir=/x", "-iface=eth0"});
  EXPECT_EQ(parsed.words, Words{});
  EXPECT_EQ(parsed.warnings, (Words{"--logtostderr has no effect: it always does",
                                    "--log_dir has no effect: there are no log files",
                                    "--log_dir has no effect: there are no log files"}));
  EXPECT_EQ(interfaces, Words{"eth0"});
  EXPECT_EQ(flags.usage().find("log_dir"), std::string::npos);
}

TEST_F(OldFlagsTest, RemovedOrRenamedNamesAreRefusedWithTheAlternative) {
  EXPECT_EQ(mistake({"-remote=10.0.0.1:8888"}), "this release has no -remote: hosts ask etcd");
  EXPECT_EQ(mistake({"--interface=eth0"}), "--interface is called --iface");
}

TEST_F(OldFlagsTest, AVariableThatNoFlagReadsIsNamed) {
  const Words set = {"FLANNELD_ETCD_PREFIXES", "FLANNELD_IFACE",        "FLANNELD_INTERFACE",
                     "FLANNELD_OPTIONS",       "FLANNELD_LOG_DIR",      "FLANNELD_SOMETHING_ELSE",
                     "FLANNEL_SUBNET",         "FLANNELD_VERSION",      "FLANNELD_SERVICE_HOST",
                     "FLANNELD_PORT",          "FLANNELD_PORT_8285_UDP"};
  EXPECT_EQ(flags.unread_variables("FLANNELD_", set),
            (Words{"FLANNELD_ETCD_PREFIXES is not read, did you mean FLANNELD_ETCD_PREFIX?",
                   "FLANNELD_INTERFACE is not read, did you mean FLANNELD_IFACE?",
                   "FLANNELD_OPTIONS is not read: the unit has FLANNEL_OPTIONS",
                   "FLANNELD_LOG_DIR is not read: there are no log files",
                   "FLANNELD_SOMETHING_ELSE is not read, no flag has this name"}));
}

TEST_F(OldFlagsTest, AVariableOfAnotherPrefixIsNamedUnlessItsFlagIsGiven) {
  parse({"--etcd-prefix=/a"});
  EXPECT_EQ(flags.misnamed_variables(
                "FLANNEL_", "FLANNELD_",
                Words{"FLANNEL_ETCD_PREFIX", "FLANNEL_HEALTHZ_PORT", "FLANNEL_INTERFACE",
                      "FLANNEL_SUBNET", "FLANNEL_MTU", "FLANNEL_IPMASQ", "FLANNEL_OPTIONS"}),
            (Words{"FLANNEL_HEALTHZ_PORT is not read, did you mean FLANNELD_HEALTHZ_PORT?",
                   "FLANNEL_INTERFACE is not read, did you mean FLANNELD_IFACE?"}));
}

TEST(SetVariablesTest, AreThoseWithAValue) {
  const char* const environment[] = {"B=1", "A=x=y", "EMPTY=", "nonsense", nullptr};
  EXPECT_EQ(set_variables(environment), (Words{"A", "B"}));
}

}  // namespace
}  // namespace flannel::flags_test
