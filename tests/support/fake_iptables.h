// SPDX-License-Identifier: Apache-2.0
// One iptables of a host as a value: what iptables-restore --noflush would make of its tables, and
// what iptables-save would print. It knows the lines that flannel writes and no others.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <utility>

#include "base/result.h"
#include "rules/iptables_text.h"

namespace flannel {

class FakeIptables {
 public:
  explicit FakeIptables(std::string program) : program_(std::move(program)) {}

  const std::string& name() const { return program_; }
  bool has_tables() const { return !tables_.empty(); }

  // All of `text` or none of it.
  Result<void> restore(const std::string& text) {
    auto tables = tables_;
    IptablesTable* table = nullptr;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("*")) {
        table = &made(tables, line.substr(1));
      } else if (line != "COMMIT" && (table == nullptr || !apply(*table, line))) {
        return fail(ErrorKind::system, program_ + "-restore: line failed: " + line);
      }
    }
    tables_ = std::move(tables);
    return {};
  }

  std::string save() const {
    std::string text;
    for (const auto& [name, table] : tables_) {
      text += "*" + name + "\n";
      for (const auto& [chain, policy] : table.policies)
        text += ":" + chain + " " + policy + " [0:0]\n";
      for (const auto& [chain, rules] : table.rules) {
        for (const std::string& rule : rules)
          text += "-A " + chain + " " + rule + "\n";
      }
      text += "COMMIT\n";
    }
    return text;
  }

  // How often `text` is in what iptables-save prints.
  int count(const std::string& text) const {
    const std::string all = save();
    int found = 0;
    for (auto at = all.find(text); at != std::string::npos; at = all.find(text, at + 1))
      ++found;
    return found;
  }

 private:
  using Tables = std::map<std::string, IptablesTable>;

  static IptablesTable& made(Tables& tables, const std::string& name) {
    const auto [at, is_new] = tables.try_emplace(name);
    if (!is_new) return at->second;
    std::set<std::string> chains = {"PREROUTING", "OUTPUT"};
    if (name == "nat") chains.insert({"INPUT", "POSTROUTING"});
    if (name == "filter") chains = {"INPUT", "FORWARD", "OUTPUT"};
    for (const std::string& chain : chains)
      at->second.policies[chain] = "ACCEPT";
    return at->second;
  }

  // ":CHAIN POLICY [0:0]", or "-A CHAIN RULE" and its like. False: the program would refuse it.
  static bool apply(IptablesTable& table, const std::string& line) {
    std::istringstream words(line);
    std::string verb, chain, rule;
    words >> verb;
    if (verb.starts_with(":")) {
      chain = verb.substr(1);
      words >> table.policies[chain];
      if (table.policies[chain] == "-") table.rules[chain].clear();
      return true;
    }
    words >> chain >> std::ws;
    const bool exists = table.policies.contains(chain);
    if (verb == "-N") return !exists && (table.policies[chain] = "-", true);
    if (!exists) return false;
    auto& rules = table.rules[chain];
    if (verb == "-F") return rules.clear(), true;
    if (verb == "-X")
      return rules.empty() && table.rules.erase(chain) + table.policies.erase(chain);
    if (verb == "-P") return static_cast<bool>(words >> table.policies[chain]);
    std::ptrdiff_t place = 1;
    if (verb == "-I" && std::isdigit(words.peek()) != 0) words >> place >> std::ws;
    std::getline(words, rule);
    if (verb == "-A") return rules.push_back(rule), true;
    if (verb == "-I") return rules.insert(rules.begin() + place - 1, rule), true;
    const auto at = std::ranges::find(rules, rule);
    if (verb != "-D" || at == rules.end()) return false;
    rules.erase(at);
    return true;
  }

  std::string program_;
  Tables tables_;
};

}  // namespace flannel
