// SPDX-License-Identifier: Apache-2.0
// The file in the state folder that has the pools of Docker's networks: docs/docker-pools.md
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "docker/docker_pools.h"

namespace flannel {

std::string encode_docker_pools(const DockerPools::State& state);
// Fails if the text is of another version, or anything in it is not as it is written.
Result<DockerPools::State> decode_docker_pools(std::string_view text);

}  // namespace flannel
