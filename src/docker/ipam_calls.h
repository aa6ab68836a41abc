// SPDX-License-Identifier: Apache-2.0
// Docker's plugin protocol, version 1, as far as an IPAM driver needs it: one POST for each call,
// with JSON bodies in both directions.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"
#include "docker/docker_pools.h"
#include "http/message.h"
#include "net/address.h"

namespace flannel::ipam {

// Calls without values. CreateNetwork is that of the network driver "flannel", which there is not:
// it is answered so that its user gets the right words.
enum class Plain { activate, network_capabilities, create_network, capabilities, address_spaces };
struct ReleasePool {
  IpPrefix pool;
};
struct ReleaseAddress {
  IpPrefix pool;
  IpAddress address;
};
using Call = std::variant<Plain, PoolRequest, AddressRequest, ReleasePool, ReleaseAddress>;

// Reads a call. ErrorKind::unsupported: there is no such call; invalid: the body cannot be used. An
// empty body where one is due is refused: Docker repeats a call that was cut off so.
Result<Call> parse_call(std::string_view path, std::string_view body);

HttpResponse activate_answer();
HttpResponse network_capabilities_answer();
HttpResponse capabilities_answer();
HttpResponse address_spaces_answer();
HttpResponse pool_answer(const IpPrefix& pool);
HttpResponse address_answer(const IpAddress& address, const IpPrefix& pool);
HttpResponse done_answer();
// The error of a call to this path, which Docker shows to its user after "remote: ". Of kind
// unsupported: Docker takes it that the call is not needed.
HttpResponse error_answer(std::string_view path, const Error& error);

}  // namespace flannel::ipam
