// SPDX-License-Identifier: Apache-2.0
// Whatever comes in by a device of the overlay: no packet makes a path ok, and an answer is never
// longer than its request.
#include <cstddef>
#include <cstdint>
#include <random>

#include "fuzz/expect.h"
#include "probe/paths.h"

namespace {

using flannel::IpAddress;

flannel::ProbeTarget target(const IpAddress& ours) {
  return {
      .subnet = flannel::IpPrefix::of(ours.plus(1, ours.is_v4() ? 8 : 64), ours.is_v4() ? 24 : 64),
      .from = ours,
      .carrier = IpAddress::v4(192, 0, 2, 2),
      .tunnel_port = 8472,
      .device = "flannel.1",
      .mtu = 1450};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const flannel::ByteView packet(data, size);
  if (const auto message = flannel::ProbeMessage::parse(packet)) {
    std::uint8_t bytes[flannel::ProbeMessage::kLength];
    message->write(bytes);
    FUZZ_EXPECT(flannel::ProbeMessage::parse(bytes) == *message);
  }
  const auto probe = flannel::read_probe(packet);
  if (!probe) return 0;
  // No input can be made for nonces that are others in each run.
  static std::uint64_t nonce = std::uint64_t{std::random_device{}()} << 32 | 1U << 31;
  flannel::ProbePaths paths([] { return ++nonce; });
  const flannel::TimePoint now{std::chrono::seconds(1000)};
  paths.set({target(IpAddress::v4(10, 5, 1, 0)), target(IpAddress::parse("fd00:5:0:1::").value())},
            now);
  paths.tick(now);
  const auto reaction = paths.on_arrival(now, {*probe, "flannel.1", std::nullopt});
  FUZZ_EXPECT(!reaction.answered);
  if (reaction.send) FUZZ_EXPECT(reaction.send->bytes.size() <= probe->size || probe->size < 80);
  FUZZ_EXPECT(paths.count(flannel::PathState::never_seen) == paths.size());
  for (const auto& to : {IpAddress::v4(10, 5, 1, 0), IpAddress::parse("fd00:5:0:1::").value()})
    FUZZ_EXPECT(!paths.view(now, target(to).subnet)->last_heard);
  return 0;
}
