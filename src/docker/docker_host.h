// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace flannel {

inline constexpr std::string_view kDefaultDockerSocket = "/run/docker.sock";

// Returns the path in a value of DOCKER_HOST, "unix:///run/docker.sock"; the default for an empty
// one. Every other Docker than that of this host is refused: it would make a bridge elsewhere.
Result<std::string> parse_docker_host(std::string_view value);

}  // namespace flannel
