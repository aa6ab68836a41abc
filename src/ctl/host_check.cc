// SPDX-License-Identifier: Apache-2.0
#include "ctl/host_check.h"

#include "backend/backend.h"
#include "registry/store_addresses.h"

namespace flannel {

std::vector<std::string> clashes_on_this_host(const NetworkConfig& config,
                                              const CtlOptions& options, const Terminal& terminal) {
  if (!terminal.read_host) return {};
  const auto host = terminal.read_host();
  if (!host) return {"this host was not looked at: " + host.error().text};
  // The underlay that flanneld chooses without a flag. Without an underlay the rest is still
  // checked.
  const auto choice = choose_underlay(request_for(config, {}), *host);
  const Underlay underlay = choice ? choice->underlay : Underlay{};
  const std::vector<IpPrefix> networks = config.networks();
  const Surroundings surroundings =
      find_surroundings(*host, underlay, networks, store_addresses(options.store), {});
  std::vector<std::string> clashes;
  const auto add = [&clashes](const Problem& problem) {
    clashes.push_back("as seen from this host: " + in_words(problem));
  };
  for (const IpPrefix& network : networks) {
    if (const auto clash = find_clash(network, surroundings)) add(*clash);
    // The network is used by the device of a flanneld on this host, which is no conflict.
    const bool is_ours = holder_of(network, surroundings).starts_with("flannel");
    const auto held = find_held(network, surroundings);
    if (held && config.backend_type == "udp" && !is_ours) add(*held);
  }
  return clashes;
}

}  // namespace flannel
