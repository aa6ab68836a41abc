// SPDX-License-Identifier: Apache-2.0
// The calls of Docker's API that flanneld makes, and the answers to them. The paths have no
// version: each engine from 20.10 on then answers with its newest.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "docker/docker_network.h"
#include "http/client.h"

namespace flannel {

// Lists all networks. GET /networks/NAME would also find a network whose id begins with NAME, and
// would not show which network has our subnet.
HttpCall docker_list_call();
HttpCall docker_make_call(const WishedNetwork& wished);

// Parses the answer to the list. Networks and addresses that cannot be read are left out. Fails if
// the text is no JSON array.
Result<std::vector<DockerNetwork>> parse_docker_networks(std::string_view text);

// Returns the body of an answer with a status from 200 to 299. `what` was asked for: "list the
// networks". An error has the reason that Docker gives, and ErrorKind::unavailable only if there
// was no answer.
Result<std::string> docker_answer(HttpEnd end, std::string_view what);

}  // namespace flannel
