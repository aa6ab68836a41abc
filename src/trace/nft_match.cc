// SPDX-License-Identifier: Apache-2.0
#include "trace/nft_match.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/parse.h"

namespace flannel::trace {
namespace {

using Json = nlohmann::json;

const Json* member(const Json& object, const char* name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

std::string text_in(const Json& object, const char* name) {
  const Json* found = member(object, name);
  return found != nullptr && found->is_string() ? found->get<std::string>() : "";
}

// A property of the packet: an address, or a word or number as text. Without a value: not known.
struct Property {
  std::optional<IpAddress> address{};
  std::optional<std::string> word{};
  std::vector<Property> parts{};  // of several, which are compared together: "ip daddr . tcp dport"
  bool impossible = false;        // the packet has no such field, so no comparison is true
};

Property of_word(const std::string& word) {
  return word.empty() ? Property{} : Property{.word = word};
}

Property meta_property(const std::string& key, const Packet& packet) {
  if (key == "iifname" || key == "iif") return of_word(packet.in);
  if (key == "oifname" || key == "oif") return of_word(packet.out);
  if (key == "ibrname") return of_word(packet.in_bridge);
  if (key == "obrname") return of_word(packet.out_bridge);
  if (key == "l4proto") return of_word(packet.protocol);
  if (key == "nfproto") return of_word(packet.family() == Family::v4 ? "ipv4" : "ipv6");
  if (key == "protocol") return of_word(packet.family() == Family::v4 ? "ip" : "ip6");
  return {};
}

Property payload_property(const Json& payload, const Packet& packet) {
  const std::string protocol = text_in(payload, "protocol");
  const std::string field = text_in(payload, "field");
  if (protocol == "ether" && field == "type") {
    return of_word(packet.family() == Family::v4 ? "ip" : "ip6");
  }
  if (protocol == "ip" || protocol == "ip6") {
    const bool ours = (protocol == "ip") == (packet.family() == Family::v4);
    if (!ours) return {.impossible = true};
    if (field == "saddr") return {.address = packet.source};
    if (field == "daddr") return {.address = packet.destination};
    if (field == "protocol" || field == "nexthdr") return of_word(packet.protocol);
    return {};
  }
  if (protocol == "tcp" || protocol == "udp" || protocol == "icmp" || protocol == "icmpv6") {
    const std::string named = protocol == "icmpv6" ? "ipv6-icmp" : protocol;
    if (named != packet.protocol) return {.impossible = true};
  }
  // The packet that is traced is a ping.
  if (field == "type" && packet.protocol.ends_with("icmp"))
    return of_word(packet.is_answer ? "echo-reply" : "echo-request");
  if (field == "dport" && packet.port) return of_word(std::to_string(*packet.port));
  return {};
}

Property property_of(const Json& left, const Packet& packet);

Property property_of_parts(const Json& parts, const Packet& packet) {
  Property whole;
  if (!parts.is_array()) return whole;
  for (const Json& part : parts) {
    whole.parts.push_back(member(part, "concat") != nullptr ? Property{}
                                                            : property_of(part, packet));
    whole.impossible = whole.impossible || whole.parts.back().impossible;
  }
  return whole;
}

Property property_of(const Json& left, const Packet& packet) {
  if (const Json* meta = member(left, "meta")) return meta_property(text_in(*meta, "key"), packet);
  if (const Json* payload = member(left, "payload")) return payload_property(*payload, packet);
  if (const Json* concat = member(left, "concat")) return property_of_parts(*concat, packet);
  const Json* tracked = member(left, "ct");
  if (tracked != nullptr && text_in(*tracked, "key") == "state")
    return of_word(packet.is_answer ? "established" : packet.is_new ? "new" : "");
  return {};
}

// A value is an element of a named set at the deepest.
constexpr int kDeepestElement = 4;

Answer any_of(const Json& elements, const Property& property, const NftSets& sets, int depth);

Answer are_parts(const Json& right, const Property& property, const NftSets& sets, int depth);

Answer in_range(const Json& range, const Property& property) {
  if (!range.is_array() || range.size() != 2) return Answer::unknown;
  if (property.address && range[0].is_string() && range[1].is_string()) {
    const auto low = IpAddress::parse(range[0].get<std::string>());
    const auto high = IpAddress::parse(range[1].get<std::string>());
    if (!low || !high) return Answer::unknown;
    return answer_of(low->family == property.address->family && *low <= *property.address &&
                     *property.address <= *high);
  }
  const auto number = parse_decimal<std::uint32_t>(property.word.value_or(""));
  if (!number || !range[0].is_number_unsigned() || !range[1].is_number_unsigned())
    return Answer::unknown;
  return answer_of(range[0].get<std::uint64_t>() <= *number &&
                   *number <= range[1].get<std::uint64_t>());
}

Answer in_prefix(const Json& prefix, const Property& property) {
  const Json* bits = member(prefix, "len");
  if (!property.address || bits == nullptr || !bits->is_number_unsigned()) return Answer::unknown;
  const auto parsed = IpPrefix::parse(text_in(prefix, "addr") + "/" + bits->dump());
  return parsed ? answer_of(parsed->contains(*property.address)) : Answer::unknown;
}

Answer is_word(const std::string& value, const Property& property) {
  if (property.address) {
    const auto address = IpAddress::parse(value);
    return address ? answer_of(*address == *property.address) : Answer::unknown;
  }
  // "br-*" stands for every name that begins so.
  if (value.ends_with('*')) {
    return answer_of(property.word->starts_with(value.substr(0, value.size() - 1)));
  }
  return answer_of(value == *property.word);
}

Answer is_value(const Json& right, const Property& property, const NftSets& sets, int depth = 0) {
  if (property.impossible) return Answer::no;
  const bool is_known = property.address || property.word || !property.parts.empty();
  if (!is_known || depth > kDeepestElement) return Answer::unknown;
  if (right.is_string() && right.get<std::string>().starts_with('@')) {
    const auto set = sets.find(right.get<std::string>().substr(1));
    return set == sets.end() ? Answer::unknown : any_of(*set->second, property, sets, depth + 1);
  }
  if (right.is_array()) return any_of(right, property, sets, depth + 1);
  if (const Json* set = member(right, "set")) return any_of(*set, property, sets, depth + 1);
  if (const Json* prefix = member(right, "prefix")) return in_prefix(*prefix, property);
  if (const Json* range = member(right, "range")) return in_range(*range, property);
  if (const Json* element = member(right, "elem")) {  // with a timeout or a counter
    const Json* value = member(*element, "val");
    return value == nullptr ? Answer::unknown : is_value(*value, property, sets, depth + 1);
  }
  if (const Json* parts = member(right, "concat")) return are_parts(*parts, property, sets, depth);
  if (!property.parts.empty()) return Answer::unknown;
  if (right.is_string()) return is_word(right.get<std::string>(), property);
  if (right.is_number_integer()) return is_word(right.dump(), property);
  return Answer::unknown;
}

Answer are_parts(const Json& right, const Property& property, const NftSets& sets, int depth) {
  if (!right.is_array() || right.size() != property.parts.size()) return Answer::unknown;
  Answer all = Answer::yes;
  for (std::size_t i = 0; i < right.size(); ++i)
    all = both(all, is_value(right[i], property.parts[i], sets, depth + 1));
  return all;
}

Answer any_of(const Json& elements, const Property& property, const NftSets& sets, int depth) {
  if (!elements.is_array()) return is_value(elements, property, sets, depth + 1);
  Answer found = Answer::no;
  for (const Json& element : elements) {
    const Answer one = is_value(element, property, sets, depth + 1);
    if (one == Answer::yes) return one;
    if (one == Answer::unknown) found = one;
  }
  return found;
}

Answer matches(const Json& match, const NftSets& sets, const Packet& packet) {
  const Json* left = member(match, "left");
  const Json* right = member(match, "right");
  const std::string op = text_in(match, "op");
  if (left == nullptr || right == nullptr) return Answer::unknown;
  const Property property = property_of(*left, packet);
  if (property.impossible) return Answer::no;
  if (op == "==" || op == "in") return is_value(*right, property, sets);
  if (op == "!=") return opposite(is_value(*right, property, sets));
  return Answer::unknown;
}

// False: this expression is no verdict.
bool set_verdict(const Json& expression, Rule& rule) {
  static const std::map<std::string, Action> kVerdicts = {
      {"accept", Action::accept}, {"drop", Action::drop}, {"reject", Action::drop},
      {"return", Action::leave},  {"jump", Action::jump}, {"goto", Action::go_to},
      {"queue", Action::pass_on},
  };
  if (!expression.is_object() || expression.size() != 1) return false;
  const auto found = kVerdicts.find(expression.begin().key());
  if (found == kVerdicts.end()) return false;
  rule.action = found->second;
  rule.target = text_in(expression.begin().value(), "target");
  return true;
}

// Expressions that let every packet on to the next one.
bool asks_nothing(const Json& expression) {
  static constexpr const char* kNames[] = {"counter", "log", "mangle", "notrack", "xt"};
  // What a match of iptables asks is not in the JSON.
  return std::ranges::any_of(kNames, [&](const char* name) {
    const Json* found = member(expression, name);
    if (found == nullptr) return false;
    return std::string_view(name) != "xt" || text_in(*found, "name") == "comment";
  });
}

void add_map_rules(const Json& map, const Rule& before, const NftSets& sets, const Packet& packet,
                   std::vector<Rule>& rules) {
  const Json* key = member(map, "key");
  const Json* data = member(map, "data");
  const Json* elements = data == nullptr ? nullptr : member(*data, "set");
  if (data != nullptr && data->is_string()) {
    const std::string name = data->get<std::string>();
    const auto named = sets.find(name.empty() ? name : name.substr(1));
    if (named != sets.end()) elements = named->second;
  }
  if (key == nullptr || elements == nullptr || !elements->is_array()) {
    // Its verdict is not known, and it may be a drop.
    Rule rule = before;
    rule.matches = both(before.matches, Answer::unknown);
    rule.action = Action::drop;
    return rules.push_back(std::move(rule));
  }
  const Property property = property_of(*key, packet);
  for (const Json& element : *elements) {
    if (!element.is_array() || element.size() != 2) continue;
    Rule rule = before;
    rule.matches = both(before.matches, is_value(element[0], property, sets));
    if (set_verdict(element[1], rule)) rules.push_back(std::move(rule));
  }
}

}  // namespace

std::vector<Rule> nft_rules(const Json& expressions, const std::string& text, const NftSets& sets,
                            const Packet& packet) {
  Rule rule{.text = text, .matches = Answer::yes};
  std::vector<Rule> rules;
  if (!expressions.is_array()) return rules;
  for (const Json& expression : expressions) {
    if (const Json* match = member(expression, "match")) {
      rule.matches = both(rule.matches, matches(*match, sets, packet));
    } else if (const Json* map = member(expression, "vmap")) {
      add_map_rules(*map, rule, sets, packet, rules);
      return rules;
    } else if (set_verdict(expression, rule)) {
      break;
    } else if (!asks_nothing(expression)) {
      rule.matches = both(rule.matches, Answer::unknown);
    }
  }
  rules.push_back(std::move(rule));
  return rules;
}

}  // namespace flannel::trace
