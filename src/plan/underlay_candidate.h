// SPDX-License-Identifier: Apache-2.0
// The parts of choose_underlay(): interfaces with the addresses that packets can be sent from.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/address.h"
#include "plan/host.h"
#include "plan/underlay_choice.h"

namespace flannel {

// An interface, and those of its addresses that are the sources of our packets.
struct Candidate {
  const Interface* interface = nullptr;
  std::map<Family, IpAddress> addresses = {};
  std::map<Family, std::string> missing = {};  // wanted families without an address, with reasons
};

// What is asked, of which host. Both outlive the question.
struct Question {
  const UnderlayRequest& request;
  const HostView& host;

  bool wants(Family family) const { return request.need(family) != Need::none; }
  std::vector<Family> wanted() const;
};

// The usable addresses of a family, the best first: global before unique local and link-local ones;
// the source of the default route before others; wider addresses before a /32 or a permanent /128,
// because such an address beside a wider one is mostly a virtual one, which moves to another host
// (DHCPv6 gives a /128 that is not permanent); then, as upstream, permanent before leased and
// stable before temporary.
std::vector<InterfaceAddress> preferred_addresses(const HostView& host, const Interface& interface,
                                                  Family family);
// The first of these; ErrorKind::not_found: there is none.
Result<IpAddress> best_address(const HostView& host, const Interface& interface, Family family);

// nullptr: no interface has this index.
const Interface* by_index(const HostView& host, int index);
Result<const Interface*> owner_of(const HostView& host, const IpAddress& ip);

// Adds the addresses of the wanted families that the candidate lacks. Fails if a required family,
// or every wanted one, cannot be had.
Result<Candidate> complete(const Question& question, Candidate candidate);
// The interface that has the address.
Result<Candidate> by_address(const Question& question, const IpAddress& ip);

}  // namespace flannel
