// SPDX-License-Identifier: Apache-2.0
// Whatever stands under <prefix>/config: an accepted configuration obeys its own rules.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/go_json.h"
#include "core/move_notes.h"
#include "core/network_config.h"
#include "fuzz/expect.h"

namespace {

void check_v4(const flannel::NetworkConfig& config) {
  using flannel::Cidr4;
  const std::uint64_t count = config.subnet_count();
  FUZZ_EXPECT(count > 0);
  FUZZ_EXPECT(config.subnet_len <= 30 && config.subnet_len >= config.network.bits + 2);
  for (const std::uint64_t n : {std::uint64_t{0}, count / 2, count - 1}) {
    const Cidr4 subnet = config.subnet_at(n);
    FUZZ_EXPECT(subnet == Cidr4::of(subnet.base, subnet.bits));
    FUZZ_EXPECT(config.allows(subnet) && config.network.contains(subnet));
  }
  FUZZ_EXPECT(config.subnet_at(0).base == config.subnet_min);
  FUZZ_EXPECT(config.subnet_at(count - 1).base == config.subnet_max);
}

void check_v6(const flannel::NetworkConfig& config) {
  FUZZ_EXPECT(config.subnet6_len <= 126 && config.subnet6_len >= config.network6.bits + 2);
  FUZZ_EXPECT(config.network6.contains(config.subnet6_min));
  FUZZ_EXPECT(config.network6.contains(config.subnet6_max));
  FUZZ_EXPECT(config.subnet6_min <= config.subnet6_max);
}

// The notes that are read can be written again, and change nothing else.
void check_notes(std::string_view text, const flannel::NetworkConfig& config) {
  const auto notes = flannel::read_move_notes(text);
  if (!notes) return;
  const auto noted = flannel::with_move_notes(text, *notes);
  if (!noted) return;
  FUZZ_EXPECT(flannel::read_move_notes(*noted) == *notes);
  const auto same = flannel::parse_network_config(*noted);
  FUZZ_EXPECT(same && same->config == config);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto parsed = flannel::parse_network_config(text);
  if (!parsed) {
    FUZZ_EXPECT(parsed.error().kind == flannel::ErrorKind::invalid);
    FUZZ_EXPECT(!parsed.error().text.empty() && parsed.error().text.size() < 1000);
    return 0;
  }
  const flannel::NetworkConfig& config = parsed->config;
  FUZZ_EXPECT(config.enable_ipv4 || config.enable_ipv6);
  if (config.enable_ipv4) check_v4(config);
  if (config.enable_ipv6) check_v6(config);
  if (!config.backend_options.empty()) {
    // Compact text is what it says, and stays as it is.
    const std::string whole = "{\"b\":" + config.backend_options + "}";
    auto again = flannel::JsonObject::parse(whole, "the options");
    FUZZ_EXPECT(again && again->json("b") == config.backend_options);
  }
  check_notes(text, config);
  return 0;
}
