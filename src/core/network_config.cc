// SPDX-License-Identifier: Apache-2.0
#include "core/network_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <span>

#include "base/parse.h"
#include "base/printable.h"
#include "core/go_json.h"
#include "core/network_name.h"

namespace flannel {
namespace {

constexpr std::size_t kMaxUnknownKeysNamed = 10;
constexpr std::size_t kMostNamedInstead = 3;
constexpr std::size_t kMostPeers = 256;

// Ranges in which no container can have an address: Linux reserves them, or routes no packets from
// or to them.
struct UnusableRange {
  std::string_view network, why;
};
constexpr std::array<UnusableRange, 5> kUnusable4{{
    {"0.0.0.0/8", "has no addresses of hosts"},
    {"127.0.0.0/8", "is each host's own loopback"},
    {"169.254.0.0/16", "is for link-local addresses, which are not routed"},
    {"224.0.0.0/4", "is for multicast"},
    {"240.0.0.0/4", "is reserved, up to the broadcast address"},
}};
constexpr std::array<UnusableRange, 3> kUnusable6{{
    {"::/8", "has the unspecified and the loopback address"},
    {"fe80::/10", "is for link-local addresses, which are not routed"},
    {"ff00::/8", "is for multicast"},
}};

// What the rules for the two families differ in.
struct FamilyRules {
  Family family;
  std::string_view enable, network, subnet_len, subnet_min, subnet_max;  // keys
  std::uint8_t usual_len;  // default length of a host's subnet, if the network is large enough
  std::span<const UnusableRange> unusable;
};
constexpr FamilyRules kRules4{Family::v4,  "EnableIPv4", "Network", "SubnetLen",
                              "SubnetMin", "SubnetMax",  24,        kUnusable4};
constexpr FamilyRules kRules6{
    Family::v6,      "EnableIPv6", "IPv6Network", "IPv6SubnetLen", "IPv6SubnetMin",
    "IPv6SubnetMax", 64,           kUnusable6};

// The values in the text for one family; nullopt: absent.
struct Given {
  std::optional<IpPrefix> network;
  std::uint64_t subnet_len = 0;  // 0: to be derived
  std::optional<IpAddress> min, max;
};

// `base` with the bits from `first` up to `end` set, counted from the highest: the base of the
// second or of the last subnet.
IpAddress with_bits(IpAddress base, int first, int end) {
  for (int bit = first; bit < end; ++bit) {
    base.bytes[static_cast<std::size_t>(bit / 8)] |= static_cast<std::uint8_t>(0x80 >> bit % 8);
  }
  return base;
}

// A zero address counts as absent.
Result<std::optional<IpAddress>> read_bound(JsonObject& json, const FamilyRules& rules,
                                            std::string_view key) {
  // Upstream accepts null only for the IPv6 bounds.
  const auto text = TRY(json.string(key));
  if (!text && rules.family == Family::v6) return std::nullopt;
  const auto ip = TRY(json.parsed<IpAddress>(key, rules.family));
  return ip && ip->is_unspecified() ? std::nullopt : ip;
}

Result<Given> read_family(JsonObject& json, const FamilyRules& rules) {
  Given given;
  given.network = TRY(json.parsed<IpPrefix>(rules.network, rules.family));
  const auto len = TRY(json.integer(rules.subnet_len));
  if (len && *len < 0) return json.refuse(rules.subnet_len, "must not be negative");
  given.subnet_len = static_cast<std::uint64_t>(len.value_or(0));
  given.min = TRY(read_bound(json, rules, rules.subnet_min));
  given.max = TRY(read_bound(json, rules, rules.subnet_max));
  return given;
}

Result<std::uint8_t> choose_subnet_len(const JsonObject& json, const FamilyRules& rules,
                                       std::uint8_t network_bits, std::uint64_t given) {
  const int longest = address_bits(rules.family) - 2;  // four addresses
  if (given > static_cast<std::uint64_t>(longest)) {
    return json.refuse(
        rules.subnet_len,
        fmt::format("must be less than /{}: a subnet needs four addresses", longest + 1));
  }
  if (given != 0 && given < network_bits + 2U) {
    return json.refuse(rules.subnet_len,
                       fmt::format("network must be able to accommodate at least four subnets, "
                                   "so it must be {} or more in a /{}",
                                   network_bits + 2, network_bits));
  }
  if (given != 0) return static_cast<std::uint8_t>(given);
  if (network_bits > longest - 2) {
    return json.refuse(
        rules.network,
        fmt::format("network is too small. Minimum useful network prefix is /{}", longest - 2));
  }
  return std::max(rules.usual_len, static_cast<std::uint8_t>(network_bits + 2));
}

constexpr std::array<std::string_view, 15> kKeys{
    "EnableIPv4",    "EnableIPv6",    "EnableNFTables", "Network",   "SubnetLen",
    "SubnetMin",     "SubnetMax",     "IPv6Network",    "Backend",   "IPv6SubnetLen",
    "IPv6SubnetMin", "IPv6SubnetMax", "MovedTo",        "MovedFrom", "Peers"};

// Options of backends, which operators sometimes put beside Backend instead of into it.
constexpr auto kBackendKeys = std::to_array<std::string_view>(
    {"Type", "VNI", "Port", "GBP", "Learning", "DirectRouting", "MTU", "AcceptAny", "Persistent",
     "Queues", "PreStartupCommand", "PostStartupCommand", "SubnetAddCommand", "SubnetRemoveCommand",
     "ShutdownCommand"});

bool is_one_of(std::span<const std::string_view> keys, std::string_view key) {
  return std::ranges::any_of(
      keys, [&](std::string_view known) { return equal_ignoring_case(known, key); });
}

// A hint on the key that the author of an unknown key may have meant, to be appended to a sentence.
std::string advice_on(std::string_view unknown) {
  if (is_one_of(kBackendKeys, unknown)) return "; it belongs into Backend";
  const std::vector<std::string> known(kKeys.begin(), kKeys.end());
  const auto meant = nearest_key(unknown, known);
  return meant ? fmt::format("; did you mean {}?", *meant) : "";
}

std::string named(std::string_view unknown) {
  return in_quotes(shortened(unknown));
}

// Hints on keys that were written instead of a required one.
std::string written_instead(JsonObject& json, std::string_view key) {
  std::string text;
  std::size_t count = 0;
  const auto backend = JsonObject::parse(json.json("Backend").value_or("{}"), "Backend");
  if (backend && backend->has(key)) {
    text = fmt::format("; {} stands inside of Backend, it belongs beside it", key);
  }
  for (const std::string& name : json.names()) {
    if (is_one_of(kKeys, name) || ++count > kMostNamedInstead) continue;
    text += fmt::format("; the key {} is unknown{}", named(name), advice_on(name));
  }
  return text;
}

Result<void> check_bound(const JsonObject& json, std::string_view key, const FamilyRules& rules,
                         const SubnetRange& range, const IpAddress& bound) {
  if (!range.network.contains(bound)) {
    return json.refuse(key, fmt::format("is not in the range of the {} {}", rules.network,
                                        to_string(range.network)));
  }
  if (IpPrefix::of(bound, range.subnet_len).base != bound) {
    return json.refuse(
        key, fmt::format("is not on a SubnetLen boundary: no /{} begins there", range.subnet_len));
  }
  return {};
}

Result<void> check_usable(const JsonObject& json, const FamilyRules& rules,
                          const IpPrefix& network) {
  for (const auto& [text, why] : rules.unusable) {
    const IpPrefix range = TRY(IpPrefix::parse(text, rules.family));
    const bool lies_in_it = network.bits >= range.bits && range.contains(network.base);
    const bool contains_it = network.bits < range.bits && network.contains(range.base);
    if (!lies_in_it && !contains_it) continue;
    return json.refuse(rules.network,
                       fmt::format("{} {}, which {}: containers cannot have such addresses",
                                   lies_in_it ? "lies in" : "contains", text, why));
  }
  return {};
}

Result<SubnetRange> resolve_range(JsonObject& json, const FamilyRules& rules, const Given& given) {
  if (!given.network || *given.network == IpPrefix{IpAddress::unspecified(rules.family), 0}) {
    return json.refuse(rules.network,
                       fmt::format("please define a correct {} parameter in the "
                                   "flannel config{}",
                                   rules.network, written_instead(json, rules.network)));
  }
  SubnetRange range;
  range.network = *given.network;
  TRY(check_usable(json, rules, range.network));
  const int network_bits = range.network.bits;
  range.subnet_len = TRY(choose_subnet_len(json, rules, range.network.bits, given.subnet_len));
  // The first subnet is not leased: its base is the network's own address.
  range.first =
      given.min.value_or(with_bits(range.network.base, range.subnet_len - 1, range.subnet_len));
  range.last = given.max.value_or(with_bits(range.network.base, network_bits, range.subnet_len));
  TRY(check_bound(json, rules.subnet_min, rules, range, range.first));
  TRY(check_bound(json, rules.subnet_max, rules, range, range.last));
  if (range.first > range.last) {
    return json.refuse(
        given.min ? rules.subnet_min : rules.subnet_max,
        fmt::format("{} {} must not be after {} {}", rules.subnet_min, to_string(range.first),
                    rules.subnet_max, to_string(range.last)));
  }
  return range;
}

void warn_if_given(const Given& given, const FamilyRules& rules,
                   std::vector<std::string>& warnings) {
  const std::array<std::pair<std::string_view, bool>, 4> keys{
      {{rules.network, given.network.has_value()},
       {rules.subnet_len, given.subnet_len != 0},
       {rules.subnet_min, given.min.has_value()},
       {rules.subnet_max, given.max.has_value()}}};
  for (const auto& [key, there] : keys) {
    if (there) warnings.push_back(fmt::format("{} has no effect: {} is false", key, rules.enable));
  }
}

Result<void> read_backend(JsonObject& json, NetworkConfig& config) {
  const std::optional<std::string> text = json.json("Backend");
  if (!text) return {};
  config.backend_type.clear();  // Backend without a type names no backend
  if (*text == "null") return {};
  if (!text->starts_with('{')) {
    return json.refuse("Backend", "must be an object, like {\"Type\": \"vxlan\"}");
  }
  auto backend = TRY(JsonObject::parse(*text, "the Backend of the network config"));
  const auto type = TRY(backend.string("Type"));
  config.backend_type = to_lower(type.value_or(""));
  config.backend_options = *text;
  return {};
}

Result<void> read_peers(JsonObject& json, NetworkConfig& config) {
  const std::optional<std::string> text = json.json("Peers");
  if (!text || *text == "null") return {};
  const auto list = nlohmann::json::parse(*text, nullptr, false);
  const bool is_list = list.is_array() && std::ranges::all_of(list, &nlohmann::json::is_string);
  if (!is_list) return json.refuse("Peers", R"(must be a list of names of networks, as ["green"])");
  if (list.size() > kMostPeers) {
    return json.refuse("Peers", fmt::format("has more than {} names", kMostPeers));
  }
  for (const auto& name : list) {
    const auto checked = check_network_name(name.get_ref<const std::string&>());
    if (!checked) return json.refuse("Peers", checked.error().text);
    config.peers.push_back(name);
  }
  return {};
}

void warn_of_keys(const JsonObject& json, std::vector<std::string>& warnings) {
  const std::vector<std::string> unknown = json.unknown_keys();
  for (std::size_t i = 0; i < std::min(unknown.size(), kMaxUnknownKeysNamed); ++i) {
    warnings.push_back(
        fmt::format("unknown key {} is ignored{}", named(unknown[i]), advice_on(unknown[i])));
  }
  if (unknown.size() > kMaxUnknownKeysNamed) {
    warnings.push_back(
        fmt::format("{} more unknown keys are ignored", unknown.size() - kMaxUnknownKeysNamed));
  }
  for (const std::string_view key : kKeys) {
    if (json.is_repeated(key)) {
      warnings.push_back(fmt::format("{} is there more than once, the last one counts", key));
    }
  }
}

// nullopt: the family is not enabled.
Result<std::optional<SubnetRange>> read_range(JsonObject& json, const FamilyRules& rules,
                                              bool enabled, std::vector<std::string>& warnings) {
  const Given given = TRY(read_family(json, rules));
  if (enabled) return TRY(resolve_range(json, rules, given));
  warn_if_given(given, rules, warnings);
  return std::nullopt;
}

}  // namespace

bool is_network_key(std::string_view key) {
  return is_one_of(kKeys, key);
}

std::vector<IpPrefix> NetworkConfig::networks() const {
  std::vector<IpPrefix> all;
  for (const SubnetRange& range : values_of(*this))
    all.push_back(range.network);
  return all;
}

std::uint64_t SubnetRange::count() const {
  const std::uint64_t highest = number_of(last);
  return highest == UINT64_MAX ? highest : highest + 1;
}

std::uint64_t SubnetRange::number_of(const IpAddress& address) const {
  return address.steps_after(first, host_bits());
}

bool SubnetRange::allows(const IpPrefix& subnet) const {
  return subnet.family() == network.family() && subnet.bits == subnet_len && subnet.base >= first &&
         subnet.base <= last;
}

Result<ParsedConfig> parse_network_config(std::string_view text) {
  JsonObject json = TRY(JsonObject::parse(text, "the network config"));
  ParsedConfig parsed;
  NetworkConfig& config = parsed.config;
  const bool ipv4 = TRY(json.boolean("EnableIPv4")).value_or(true);
  const bool ipv6 = TRY(json.boolean("EnableIPv6")).value_or(false);
  config.enable_nftables = TRY(json.boolean("EnableNFTables")).value_or(false);
  if (!ipv4 && !ipv6) {
    return json.refuse("EnableIPv4", "neither IPv4 nor IPv6 is enabled");
  }
  config.v4 = TRY(read_range(json, kRules4, ipv4, parsed.warnings));
  config.v6 = TRY(read_range(json, kRules6, ipv6, parsed.warnings));
  TRY(read_backend(json, config));
  TRY(read_peers(json, config));
  for (const std::string_view note : {"MovedTo", "MovedFrom"})
    json.json(note);  // move_notes.h reads them
  warn_of_keys(json, parsed.warnings);
  return parsed;
}

}  // namespace flannel
