// SPDX-License-Identifier: Apache-2.0
#include "trace/iptables_table.h"

#include <array>
#include <optional>
#include <utility>

#include "base/parse.h"
#include "rules/iptables_text.h"

namespace flannel::trace {
namespace {

// Words of a rule; a quoted one is one word.
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  bool quoted = false;
  bool any = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\' && i + 1 < text.size()) {
      word += text[++i];
    } else if (c == '"') {
      quoted = !quoted;
      any = true;
    } else if (c == ' ' && !quoted) {
      if (any || !word.empty()) words.push_back(std::exchange(word, {}));
      any = false;
    } else {
      word += c;
    }
  }
  if (any || !word.empty()) words.push_back(word);
  return words;
}

Answer in_prefix(const std::string& text, const IpAddress& address) {
  const auto prefix = IpPrefix::parse(text);
  return prefix ? answer_of(prefix->contains(address)) : Answer::unknown;
}

// "br+" stands for every name that begins so.
Answer is_device(const std::string& pattern, const std::string& device) {
  if (device.empty()) return Answer::unknown;
  if (!pattern.ends_with('+')) return answer_of(pattern == device);
  return answer_of(device.starts_with(pattern.substr(0, pattern.size() - 1)));
}

Answer is_port(const std::string& text, const Packet& packet) {
  if (!packet.port) return Answer::unknown;
  const auto colon = text.find(':');
  const auto first = parse_decimal<std::uint16_t>(text.substr(0, colon));
  const auto last =
      colon == std::string::npos ? first : parse_decimal<std::uint16_t>(text.substr(colon + 1));
  if (!first || !last) return Answer::unknown;
  return answer_of(*first <= *packet.port && *packet.port <= *last);
}

Answer has_state(const std::string& states, const Packet& packet) {
  if (!packet.is_new && !packet.is_answer) return Answer::unknown;
  for (const std::string_view state : split(states, ',')) {
    if (state == (packet.is_answer ? "ESTABLISHED" : "NEW")) return Answer::yes;
  }
  return Answer::no;
}

std::optional<Answer> asked(const std::string& option, const std::string& value,
                            const Packet& packet) {
  if (option == "-s") return in_prefix(value, packet.source);
  if (option == "-d") return in_prefix(value, packet.destination);
  if (option == "-i") return is_device(value, packet.in);
  if (option == "-o") return is_device(value, packet.out);
  if (option == "-p") return answer_of(value == packet.protocol || value == "all");
  if (option == "--dport") return is_port(value, packet);
  if (option == "--ctstate" || option == "--state") return has_state(value, packet);
  return std::nullopt;
}

// Words that load a match and ask nothing, and that a rule may have without a question.
bool asks_nothing(const std::string& option, const std::string& value) {
  static constexpr std::array kModules = {"comment", "conntrack", "state", "tcp", "udp"};
  if (option == "--comment") return true;
  if (option != "-m") return false;
  for (const char* module : kModules) {
    if (value == module) return true;
  }
  return false;
}

void set_target(Rule& rule, const std::string& target, bool go_to) {
  if (target == "ACCEPT") {
    rule.action = Action::accept;
  } else if (target == "DROP" || target == "REJECT") {
    rule.action = Action::drop;
  } else if (target == "RETURN") {
    rule.action = Action::leave;
  } else {
    rule.action = go_to ? Action::go_to : Action::jump;
    rule.target = target;  // a target that is no chain, such as LOG, leads nowhere
  }
}

std::optional<BaseChain> base_chain(const std::string& table, const std::string& chain) {
  // linux/netfilter_ipv4.h
  const int priority = table == "raw" ? -300 : table == "mangle" ? -150 : 0;
  if (chain == "PREROUTING") return BaseChain{Hook::prerouting, priority, chain};
  if (chain == "INPUT") return BaseChain{Hook::input, priority, chain};
  if (chain == "OUTPUT") return BaseChain{Hook::output, priority, chain};
  if (chain == "FORWARD") return BaseChain{Hook::forward, priority, chain};
  if (chain == "POSTROUTING") return BaseChain{Hook::postrouting, priority, chain};
  return std::nullopt;
}

}  // namespace

Rule iptables_rule(std::string_view text, const Packet& packet) {
  Rule rule{.text = std::string(text), .matches = Answer::yes};
  const std::vector<std::string> words = words_of(text);
  bool inverted = false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "!") {
      inverted = true;
      continue;
    }
    const std::string value = i + 1 < words.size() ? words[i + 1] : "";
    if (words[i] == "-j" || words[i] == "-g") {
      set_target(rule, value, words[i] == "-g");
      break;  // what follows are options of the target
    }
    if (const auto found = asked(words[i], value, packet)) {
      rule.matches = both(rule.matches, inverted ? opposite(*found) : *found);
    } else if (!asks_nothing(words[i], value)) {
      rule.matches = both(rule.matches, Answer::unknown);
    }
    inverted = false;
    // An option that is not known has an unknown number of values.
    while (i + 1 < words.size() && !words[i + 1].starts_with('-') && words[i + 1] != "!")
      ++i;
  }
  return rule;
}

std::vector<Table> iptables_tables(std::string_view saved, const std::string& program,
                                   const Packet& packet) {
  std::vector<Table> tables;
  for (const char* name : {"raw", "mangle", "filter"}) {
    const IptablesTable read = parse_iptables(saved, name);
    Table table{.name = program + " table " + name, .chains = {}, .bases = {}};
    for (const auto& [chain, policy] : read.policies) {
      Chain& walked = table.chains[chain];
      walked.drops_at_end = policy == "DROP";
      for (const std::string& rule : read.in(chain))
        walked.rules.push_back(iptables_rule(rule, packet));
      auto base = base_chain(name, chain);
      if (base && passes(base->hook, packet.course)) table.bases.push_back(*std::move(base));
    }
    if (!table.bases.empty()) tables.push_back(std::move(table));
  }
  return tables;
}

}  // namespace flannel::trace
