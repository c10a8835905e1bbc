-- wrk: 16 requests in one write.
local requests

function init()
  local request = wrk.format("GET", "/hello")
  requests = string.rep(request, 16)
end

function request()
  return requests
end
