// SPDX-License-Identifier: Apache-2.0
#include "trace/nft_ruleset.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "base/parse.h"
#include "trace/nft_match.h"

namespace flannel::trace {
namespace {

using Json = nlohmann::json;
// A table by its family and name: "inet firewalld".
using Words = std::map<std::pair<std::string, std::uint64_t>, std::string>;

std::string word_in(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string table_of(const Json& object, const char* name = "table") {
  return word_in(object, "family") + " " + word_in(object, name);
}

// The words of each rule, by its table and handle.
Words words_in(std::string_view text) {
  Words words;
  std::string table;
  for (const std::string_view line : split(text, '\n')) {
    if (line.starts_with("table ")) {
      table = std::string(line.substr(6, line.find(" {") - 6));
      continue;
    }
    const auto mark = line.rfind(" # handle ");
    if (mark == std::string_view::npos) continue;
    const auto handle = parse_decimal<std::uint64_t>(line.substr(mark + 10));
    if (handle) words.emplace(std::pair(table, *handle), std::string(trim(line.substr(0, mark))));
  }
  return words;
}

bool is_of_family(const std::string& family, const Packet& packet) {
  return family == "inet" || family == (packet.family() == Family::v4 ? "ip" : "ip6");
}

// iptables-nft keeps its tables under the names that iptables has.
bool is_of_iptables(const std::string& table) {
  const auto space = table.find(' ');
  const std::string family = table.substr(0, space);
  const std::string name = table.substr(space + 1);
  return family != "inet" && (name == "filter" || name == "nat" || name == "raw" ||
                              name == "mangle" || name == "security");
}

std::optional<Hook> hook_in(const Json& chain) {
  const std::string name = word_in(chain, "hook");
  if (name == "prerouting") return Hook::prerouting;
  if (name == "forward") return Hook::forward;
  if (name == "postrouting") return Hook::postrouting;
  return std::nullopt;
}

class Reader {
 public:
  Reader(const Json& objects, Words words, const Packet& packet, bool with_iptables)
      : objects_(objects),
        words_(std::move(words)),
        packet_(packet),
        with_iptables_(with_iptables) {}

  std::vector<Table> read() {
    for (const char* kind : {"set", "map"})
      each(kind, [this](const Json& set) { add_set(set); });
    each("chain", [this](const Json& chain) { add_chain(chain); });
    each("rule", [this](const Json& rule) { add_rule(rule); });
    std::vector<Table> tables;
    for (auto& [name, table] : tables_) {
      if (!table.bases.empty()) tables.push_back(std::move(table));
    }
    return tables;
  }

 private:
  template <typename Call>
  void each(const char* kind, Call call) {
    for (const Json& object : objects_) {
      if (!object.is_object()) continue;
      const auto found = object.find(kind);
      if (found == object.end() || !found->is_object()) continue;
      if (!is_of_family(word_in(*found, "family"), packet_)) continue;
      if (!with_iptables_ && is_of_iptables(table_of(*found))) continue;
      call(*found);
    }
  }

  void add_set(const Json& set) {
    static const Json kEmpty = Json::array();
    const auto elements = set.find("elem");
    sets_[table_of(set)][word_in(set, "name")] = elements == set.end() ? &kEmpty : &*elements;
  }

  void add_chain(const Json& chain) {
    Table& table = tables_[table_of(chain)];
    table.name = "nftables table " + table_of(chain);
    const std::string name = word_in(chain, "name");
    table.chains[name].drops_at_end = word_in(chain, "policy") == "drop";
    const auto hook = hook_in(chain);
    const auto priority = chain.find("prio");
    if (!hook || word_in(chain, "type") == "nat") return;
    const int number =
        priority != chain.end() && priority->is_number_integer() ? priority->get<int>() : 0;
    table.bases.push_back({*hook, number, name});
  }

  void add_rule(const Json& rule) {
    const std::string table = table_of(rule);
    const auto handle = rule.find("handle");
    std::string text = "a rule";
    if (handle != rule.end() && handle->is_number_unsigned()) {
      const auto words = words_.find({table, handle->get<std::uint64_t>()});
      text = words == words_.end() ? "the rule with the handle " + handle->dump() : words->second;
    }
    const auto expressions = rule.find("expr");
    if (expressions == rule.end()) return;
    auto& rules = tables_[table].chains[word_in(rule, "chain")].rules;
    for (Rule& one : nft_rules(*expressions, text, sets_[table], packet_))
      rules.push_back(std::move(one));
  }

  const Json& objects_;
  const Words words_;
  const Packet& packet_;
  const bool with_iptables_;
  std::map<std::string, NftSets> sets_;
  std::map<std::string, Table> tables_;
};

}  // namespace

Result<std::vector<Table>> nft_tables(const NftListing& listing, const Packet& packet,
                                      bool with_iptables) {
  const Json whole = Json::parse(listing.json, nullptr, false);
  const auto objects = whole.is_object() ? whole.find("nftables") : whole.end();
  if (!whole.is_object() || objects == whole.end() || !objects->is_array()) {
    return fail(ErrorKind::invalid, "read the rules of nftables: this is no list of them in JSON");
  }
  return Reader(*objects, words_in(listing.text), packet, with_iptables).read();
}

}  // namespace flannel::trace
