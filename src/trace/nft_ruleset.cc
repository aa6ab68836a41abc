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
// A table is known by its family and name: "inet firewalld".
struct Words {
  std::map<std::pair<std::string, std::uint64_t>, std::string> rules;  // by table and handle
  // By table and chain: the devices of a chain at a hook of devices, which nft 1.0.6 leaves out of
  // its JSON.
  std::map<std::pair<std::string, std::string>, std::vector<std::string>> devices;
};

std::string word_in(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string table_of(const Json& object, const char* name = "table") {
  return word_in(object, "family") + " " + word_in(object, name);
}

// What stands in quotes in a line such as
//   type filter hook ingress devices = { "eth0", "eth1" } priority filter; policy accept;
std::vector<std::string> quoted_in(std::string_view line) {
  std::vector<std::string> all;
  const auto parts = split(line, '"');
  for (std::size_t i = 1; i < parts.size(); i += 2)
    all.emplace_back(parts[i]);
  return all;
}

Words words_in(std::string_view text) {
  Words words;
  std::string table, chain;
  for (const std::string_view line : split(text, '\n')) {
    const std::string_view said = trim(line);
    if (line.starts_with("table ")) {
      table = std::string(line.substr(6, line.find(" {") - 6));
      continue;
    }
    if (said.starts_with("chain ")) chain = std::string(said.substr(6, said.find(" {") - 6));
    if (said.starts_with("type ")) words.devices.emplace(std::pair(table, chain), quoted_in(said));
    const auto mark = line.rfind(" # handle ");
    if (mark == std::string_view::npos) continue;
    const auto handle = parse_decimal<std::uint64_t>(line.substr(mark + 10));
    if (!handle) continue;
    words.rules.emplace(std::pair(table, *handle), std::string(trim(line.substr(0, mark))));
  }
  return words;
}

bool is_of_family(const std::string& family, const Packet& packet) {
  if (family == "bridge") return !packet.in_ports.empty() || !packet.out_ports.empty();
  return family == "inet" || family == "netdev" ||
         family == (packet.family() == Family::v4 ? "ip" : "ip6");
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
  static const std::map<std::string, Hook> kHooks = {
      {"ingress", Hook::ingress}, {"egress", Hook::egress}, {"prerouting", Hook::prerouting},
      {"input", Hook::input},     {"output", Hook::output}, {"postrouting", Hook::postrouting},
      {"forward", Hook::forward},
  };
  // A packet that is routed enters the bridge, or leaves it: none of the others.
  static const std::map<std::string, Hook> kBridgeHooks = {
      {"prerouting", Hook::bridge_prerouting},
      {"input", Hook::bridge_input},
      {"output", Hook::bridge_output},
      {"postrouting", Hook::bridge_postrouting},
  };
  const auto& hooks = word_in(chain, "family") == "bridge" ? kBridgeHooks : kHooks;
  const auto found = hooks.find(word_in(chain, "hook"));
  return found == hooks.end() ? std::nullopt : std::optional(found->second);
}

bool is_of_device(Hook hook) {
  return hook == Hook::ingress || hook == Hook::egress;
}

// The devices of a chain at a hook of devices. "eth*" stands for every name that begins so.
std::vector<std::string> devices_in(const Json& chain) {
  std::vector<std::string> devices;
  const auto found = chain.find("dev");
  if (found == chain.end()) return devices;
  if (found->is_string()) devices.push_back(found->get<std::string>());
  if (!found->is_array()) return devices;
  for (const Json& one : *found) {
    if (one.is_string()) devices.push_back(one.get<std::string>());
  }
  return devices;
}

bool has_device(const std::vector<std::string>& devices, const std::string& name) {
  return std::ranges::any_of(devices, [&name](const std::string& device) {
    return device == name || (device.ends_with('*') && !name.empty() &&
                              name.starts_with(device.substr(0, device.size() - 1)));
  });
}

// Whether the packet passes one of these devices, which is `device` or one of its ports.
Answer passes_device(const std::vector<std::string>& devices, const std::string& device,
                     const std::vector<std::string>& ports) {
  if (has_device(devices, device)) return Answer::yes;
  const auto of_ports = std::ranges::count_if(
      ports, [&devices](const std::string& port) { return has_device(devices, port); });
  if (of_ports == 0) return Answer::no;
  return static_cast<std::size_t>(of_ports) == ports.size() ? Answer::yes : Answer::unknown;
}

// The packet as rules of the family bridge see it: they know the ports.
Packet at_ports(Packet packet) {
  const auto port = [](const std::vector<std::string>& ports) {
    return ports.size() == 1 ? ports.front() : std::string();
  };
  if (!packet.in_ports.empty()) packet.in_bridge = packet.in;
  if (!packet.out_ports.empty()) packet.out_bridge = packet.out;
  packet.in = port(packet.in_ports);
  packet.out = port(packet.out_ports);
  return packet;
}

class Reader {
 public:
  Reader(const Json& objects, Words words, const Packet& packet, bool with_iptables)
      : objects_(objects),
        words_(std::move(words)),
        packet_(packet),
        bridged_(at_ports(packet)),
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
    if (!hook || !passes(*hook, packet_.course) || word_in(chain, "type") == "nat") return;
    const Answer comes_here = comes_to(*hook, chain);
    if (comes_here == Answer::no) return;
    const int number =
        priority != chain.end() && priority->is_number_integer() ? priority->get<int>() : 0;
    table.bases.push_back({*hook, number, name, comes_here == Answer::yes});
  }

  Answer comes_to(Hook hook, const Json& chain) const {
    const bool by_ports = !packet_.in_ports.empty(), to_ports = !packet_.out_ports.empty();
    if (hook == Hook::bridge_prerouting || hook == Hook::bridge_input) return answer_of(by_ports);
    if (hook == Hook::bridge_output || hook == Hook::bridge_postrouting) return answer_of(to_ports);
    if (!is_of_device(hook)) return Answer::yes;
    auto devices = devices_in(chain);
    const auto said = words_.devices.find({table_of(chain), word_in(chain, "name")});
    if (devices.empty() && said != words_.devices.end()) devices = said->second;
    return hook == Hook::ingress ? passes_device(devices, packet_.in, packet_.in_ports)
                                 : passes_device(devices, packet_.out, packet_.out_ports);
  }

  void add_rule(const Json& rule) {
    const std::string table = table_of(rule);
    const auto handle = rule.find("handle");
    std::string text = "a rule";
    if (handle != rule.end() && handle->is_number_unsigned()) {
      const auto words = words_.rules.find({table, handle->get<std::uint64_t>()});
      text = words == words_.rules.end() ? "the rule with the handle " + handle->dump()
                                         : words->second;
    }
    const auto expressions = rule.find("expr");
    if (expressions == rule.end()) return;
    auto& rules = tables_[table].chains[word_in(rule, "chain")].rules;
    const Packet& packet = word_in(rule, "family") == "bridge" ? bridged_ : packet_;
    for (Rule& one : nft_rules(*expressions, text, sets_[table], packet))
      rules.push_back(std::move(one));
  }

  const Json& objects_;
  const Words words_;
  const Packet& packet_;
  const Packet bridged_;
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
