// SPDX-License-Identifier: Apache-2.0
#include "core/network_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

#include "base/parse.h"
#include "base/printable.h"
#include "core/go_json.h"

namespace flannel {
namespace {

constexpr std::size_t kMaxUnknownKeysNamed = 10;
constexpr std::size_t kMostNamedInstead = 3;

// The keys and the numbers in which the rules for the two families differ.
struct FamilyRules {
  std::string_view network, subnet_len, subnet_min, subnet_max;
  std::uint8_t address_bits;
  std::uint8_t usual_len;  // default length of a host's subnet, if the network is large enough
};
constexpr FamilyRules kRules4{"Network", "SubnetLen", "SubnetMin", "SubnetMax", 32, 24};
constexpr FamilyRules kRules6{
    "IPv6Network", "IPv6SubnetLen", "IPv6SubnetMin", "IPv6SubnetMax", 128, 64};

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

// The values in the text for one family; nullopt: absent.
template <typename Ip, typename Cidr>
struct Given {
  std::optional<Cidr> network;
  std::uint64_t subnet_len = 0;  // 0: to be derived
  std::optional<Ip> min, max;
};

template <typename Ip, typename Cidr>
struct Range {
  Cidr network;
  std::uint8_t subnet_len = 0;
  Ip min, max;
};

// `base` with the bits from `first` up to `end` set, counted from the highest: the base of the
// second or of the last subnet.
Ip4 with_bits(Ip4 base, int first, int end) {
  for (int bit = first; bit < end; ++bit)
    base.value |= std::uint32_t{1} << (31 - bit);
  return base;
}
Ip6 with_bits(Ip6 base, int first, int end) {
  for (int bit = first; bit < end; ++bit) {
    base.bytes[static_cast<std::size_t>(bit / 8)] |= static_cast<std::uint8_t>(0x80 >> bit % 8);
  }
  return base;
}

// A zero address counts as absent.
template <typename Ip>
std::optional<Ip> unless_zero(std::optional<Ip> ip) {
  return ip == Ip{} ? std::nullopt : ip;
}

template <typename Ip>
Result<std::optional<Ip>> read_bound(JsonObject& json, const FamilyRules& rules,
                                     std::string_view key) {
  // Upstream accepts null only for the IPv6 bounds.
  const auto text = TRY(json.string(key));
  if (!text && rules.address_bits == 128) return std::nullopt;
  return unless_zero(TRY(json.parsed<Ip>(key)));
}

template <typename Ip, typename Cidr>
Result<Given<Ip, Cidr>> read_family(JsonObject& json, const FamilyRules& rules) {
  Given<Ip, Cidr> given;
  given.network = TRY(json.parsed<Cidr>(rules.network));
  const auto len = TRY(json.integer(rules.subnet_len));
  if (len && *len < 0) return json.refuse(rules.subnet_len, "must not be negative");
  given.subnet_len = static_cast<std::uint64_t>(len.value_or(0));
  given.min = TRY(read_bound<Ip>(json, rules, rules.subnet_min));
  given.max = TRY(read_bound<Ip>(json, rules, rules.subnet_max));
  return given;
}

Result<std::uint8_t> choose_subnet_len(const JsonObject& json, const FamilyRules& rules,
                                       std::uint8_t network_bits, std::uint64_t given) {
  const int longest = rules.address_bits - 2;  // four addresses
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

constexpr std::array<std::string_view, 14> kKeys{
    "EnableIPv4",    "EnableIPv6",    "EnableNFTables", "Network",  "SubnetLen",
    "SubnetMin",     "SubnetMax",     "IPv6Network",    "Backend",  "IPv6SubnetLen",
    "IPv6SubnetMin", "IPv6SubnetMax", "MovedTo",        "MovedFrom"};

// Options of backends, which operators sometimes put beside Backend instead of into it.
constexpr std::array<std::string_view, 10> kBackendKeys{
    "Type",          "VNI", "Port",      "GBP",        "Learning",
    "DirectRouting", "MTU", "AcceptAny", "Persistent", "Queues"};

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

template <typename Ip, typename Cidr>
Result<void> check_bound(const JsonObject& json, std::string_view key, const FamilyRules& rules,
                         const Range<Ip, Cidr>& range, Ip bound) {
  if (!range.network.contains(bound)) {
    return json.refuse(key, fmt::format("is not in the range of the {} {}", rules.network,
                                        to_string(range.network)));
  }
  if (Cidr::of(bound, range.subnet_len).base != bound) {
    return json.refuse(
        key, fmt::format("is not on a SubnetLen boundary: no /{} begins there", range.subnet_len));
  }
  return {};
}

template <typename Cidr>
Result<void> check_usable(const JsonObject& json, const FamilyRules& rules, const Cidr& network,
                          std::span<const UnusableRange> unusable) {
  for (const auto& [text, why] : unusable) {
    const Cidr range = TRY(Cidr::parse(text));
    const bool lies_in_it = network.bits >= range.bits && range.contains(network.base);
    const bool contains_it = network.bits < range.bits && network.contains(range.base);
    if (!lies_in_it && !contains_it) continue;
    return json.refuse(rules.network,
                       fmt::format("{} {}, which {}: containers cannot have such addresses",
                                   lies_in_it ? "lies in" : "contains", text, why));
  }
  return {};
}

template <typename Ip, typename Cidr>
Result<Range<Ip, Cidr>> resolve_range(JsonObject& json, const FamilyRules& rules,
                                      const Given<Ip, Cidr>& given,
                                      std::span<const UnusableRange> unusable) {
  if (!given.network || *given.network == Cidr{}) {
    return json.refuse(rules.network,
                       fmt::format("please define a correct {} parameter in the "
                                   "flannel config{}",
                                   rules.network, written_instead(json, rules.network)));
  }
  Range<Ip, Cidr> range;
  range.network = *given.network;
  TRY(check_usable(json, rules, range.network, unusable));
  const int network_bits = range.network.bits;
  range.subnet_len = TRY(choose_subnet_len(json, rules, range.network.bits, given.subnet_len));
  // The first subnet is not leased: its base is the network's own address.
  range.min =
      given.min.value_or(with_bits(range.network.base, range.subnet_len - 1, range.subnet_len));
  range.max = given.max.value_or(with_bits(range.network.base, network_bits, range.subnet_len));
  TRY(check_bound(json, rules.subnet_min, rules, range, range.min));
  TRY(check_bound(json, rules.subnet_max, rules, range, range.max));
  if (range.min > range.max) {
    return json.refuse(given.min ? rules.subnet_min : rules.subnet_max,
                       fmt::format("{} {} must not be after {} {}", rules.subnet_min,
                                   to_string(range.min), rules.subnet_max, to_string(range.max)));
  }
  return range;
}

template <typename Ip, typename Cidr>
void warn_if_given(const Given<Ip, Cidr>& given, const FamilyRules& rules, std::string_view enable,
                   std::vector<std::string>& warnings) {
  const std::array<std::pair<std::string_view, bool>, 4> keys{
      {{rules.network, given.network.has_value()},
       {rules.subnet_len, given.subnet_len != 0},
       {rules.subnet_min, given.min.has_value()},
       {rules.subnet_max, given.max.has_value()}}};
  for (const auto& [key, there] : keys) {
    if (there) warnings.push_back(fmt::format("{} has no effect: {} is false", key, enable));
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

Result<void> resolve_ipv4(JsonObject& json, ParsedConfig& parsed) {
  const auto given = TRY((read_family<Ip4, Cidr4>(json, kRules4)));
  NetworkConfig& config = parsed.config;
  if (!config.enable_ipv4) {
    warn_if_given(given, kRules4, "EnableIPv4", parsed.warnings);
    return {};
  }
  const auto range = TRY((resolve_range<Ip4, Cidr4>(json, kRules4, given, kUnusable4)));
  config.network = range.network;
  config.subnet_len = range.subnet_len;
  config.subnet_min = range.min;
  config.subnet_max = range.max;
  return {};
}

Result<void> resolve_ipv6(JsonObject& json, ParsedConfig& parsed) {
  const auto given = TRY((read_family<Ip6, Cidr6>(json, kRules6)));
  NetworkConfig& config = parsed.config;
  if (!config.enable_ipv6) {
    warn_if_given(given, kRules6, "EnableIPv6", parsed.warnings);
    return {};
  }
  const auto range = TRY((resolve_range<Ip6, Cidr6>(json, kRules6, given, kUnusable6)));
  config.network6 = range.network;
  config.subnet6_len = range.subnet_len;
  config.subnet6_min = range.min;
  config.subnet6_max = range.max;
  return {};
}

}  // namespace

bool is_network_key(std::string_view key) {
  return is_one_of(kKeys, key);
}

std::uint64_t NetworkConfig::subnet_count() const {
  if (!enable_ipv4) return 0;
  return (std::uint64_t{subnet_max.value} - subnet_min.value) / subnet_at(0).size() + 1;
}

Cidr4 NetworkConfig::subnet_at(std::uint64_t n) const {
  const std::uint64_t size = std::uint64_t{1} << (32 - subnet_len);
  return {{static_cast<std::uint32_t>(subnet_min.value + n * size)}, subnet_len};
}

bool NetworkConfig::allows(const Cidr4& subnet) const {
  return enable_ipv4 && subnet.bits == subnet_len && subnet.base >= subnet_min &&
         subnet.base <= subnet_max;
}

Result<ParsedConfig> parse_network_config(std::string_view text) {
  JsonObject json = TRY(JsonObject::parse(text, "the network config"));
  ParsedConfig parsed;
  NetworkConfig& config = parsed.config;
  config.enable_ipv4 = TRY(json.boolean("EnableIPv4")).value_or(true);
  config.enable_ipv6 = TRY(json.boolean("EnableIPv6")).value_or(false);
  config.enable_nftables = TRY(json.boolean("EnableNFTables")).value_or(false);
  if (!config.enable_ipv4 && !config.enable_ipv6) {
    return json.refuse("EnableIPv4", "neither IPv4 nor IPv6 is enabled");
  }
  TRY(resolve_ipv4(json, parsed));
  TRY(resolve_ipv6(json, parsed));
  TRY(read_backend(json, config));
  for (const std::string_view note : {"MovedTo", "MovedFrom"})
    json.json(note);  // move_notes.h reads them
  warn_of_keys(json, parsed.warnings);
  return parsed;
}

}  // namespace flannel
