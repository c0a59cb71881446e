
-- Runs in Traffic Server, in one state on one thread. ROUTES has the longest prefix first.
local HEADER, HOST = "X-Proxy-Cache", "proxy"
local ONLY_IF_CACHED, TRIES, WAIT_MS = {["Cache-Control"] = "only-if-cached"}, 5, 5

-- Objects that were stored and are not read back yet; and in which order.
local pending, queue = {}, {}

local function group_of(path)
  for _, route in ipairs(ROUTES) do
    local prefix, group = route[1], route[2]
    if path:sub(1, #prefix) == prefix then
      local after = path:sub(#prefix + 1, #prefix + 1)
      if after == "" or after == "/" or prefix:sub(-1) == "/" then
        return group
      end
    end
  end
end

local function requested()
  local query = ts.client_request.get_uri_args()
  return ts.client_request.get_uri() .. (query and query ~= "" and "?" .. query or "")
end

local function storable(response)
  if response["Set-Cookie"] then
    return false
  end
  local said = (response["Cache-Control"] or ""):lower()
  for _, word in ipairs(FORBIDS) do
    if said:find(word, 1, true) then
      return false
    end
  end
  return true
end

-- A lookup that found the object in the store alone reads it into memory. It counts as a miss, so the origin is asked.
local function looked_up()
  ts.ctx["found"] = ts.http.get_cache_lookup_status()
  if ts.ctx["passed"] then
    ts.http.set_cache_lookup_status(TS_LUA_CACHE_LOOKUP_MISS)
  elseif ts.ctx["found"] == TS_LUA_CACHE_LOOKUP_MISS then
    -- Nothing is kept of a part, so the whole object is fetched for it.
    ts.client_request.header["Range"] = nil
  elseif ts.ctx["found"] ~= TS_LUA_CACHE_LOOKUP_HIT_FRESH then
    return 0
  elseif ts.http.txn_info_get(TS_LUA_TXN_INFO_CACHE_HIT_RWW) == 1 then
    ts.ctx["kept"] = "collapsed"
  elseif ts.http.txn_info_get(TS_LUA_TXN_INFO_CACHE_HIT_RAM) == 1 or pending[requested()] then
    ts.ctx["kept"] = "hit"
  else
    ts.ctx["evicted"] = true
    ts.client_request.header["Range"] = nil
    ts.http.set_cache_lookup_status(TS_LUA_CACHE_LOOKUP_MISS)
  end
  return 0
end

local function answered()
  local status = ts.server_response.get_status()
  local ip, port = ts.server_request.server_addr.get_nexthop_addr()
  ts.ctx["status"] = status
  ts.ctx["address"] = ip and ip .. ":" .. port
  if ts.ctx["passed"] or not storable(ts.server_response.header) then
    ts.ctx["passed"] = true
    ts.http.set_server_resp_no_store(1)
    return 0
  end
  if TTL_S and STORABLE[status] then
    ts.server_response.header["Cache-Control"] = "public, max-age=" .. TTL_S
    ts.server_response.header["Expires"] = nil
  end
  if ts.ctx["evicted"] then
    ts.http.set_server_resp_no_store(1)
  elseif STORABLE[status] then
    -- Only what is in the store is read back: see only-if-cached below.
    ts.ctx["stored"] = requested()
    pending[ts.ctx["stored"]] = true
  end
  return 0
end

local function outcome()
  local status, found = ts.ctx["status"], ts.ctx["found"]
  if ts.ctx["passed"] then
    return "pass"
  elseif found == TS_LUA_CACHE_LOOKUP_HIT_STALE and (not status or status >= 500) then
    return ts.client_response.get_status() < 500 and "stale" or "miss"
  end
  return not status and ts.ctx["kept"] or "miss"
end

local function answering()
  ts.client_response.header[HEADER] = outcome()
  io.write("served ", ts.client_response.get_status(), " ", ts.ctx["address"] or "-", "\n")
  io.flush()
  return 0
end

-- An answer can end before its object is in the store: until then it comes from who writes it, and not into memory.
local function read_there()
  local early = ts.http.txn_info_get(TS_LUA_TXN_INFO_CACHE_HIT_RWW) == 1
  ts.client_response.header[HEADER] = early and "early" or "there"
  return 0
end

local function read_back()
  local next = table.remove(queue, 1)
  if not next then
    return
  end
  local told = ts.fetch("http://127.0.0.1:" .. PORT .. next.path, {method = "HEAD", header = ONLY_IF_CACHED})
  if (told and told.status == 200 and told.header[HEADER] == "there") or next.tries == TRIES then
    pending[next.path] = nil
  else
    next.tries = next.tries + 1
    queue[#queue + 1] = next
    ts.schedule(TS_LUA_THREAD_POOL_NET, WAIT_MS, read_back)
  end
end

local function closing()
  local stored = ts.ctx["stored"]
  if stored then
    queue[#queue + 1] = {path = stored, tries = 1}
    ts.schedule(TS_LUA_THREAD_POOL_NET, 0, read_back)
  end
  return 0
end

-- Of several parts at once Traffic Server makes an answer that may not end, so they get the whole; and so does nonsense.
local function one_part(ranges)
  local from, to = ranges:match("^bytes=(%d+)-(%d*)$")
  if from then
    return to == "" or tonumber(from) <= tonumber(to)
  end
  return ranges:match("^bytes=%-0*[1-9]%d*$") ~= nil
end

function do_remap()
  local group = group_of(ts.client_request.get_uri())
  if not group then
    ts.http.set_resp(404, "no route\n")
    return TS_LUA_REMAP_NO_REMAP_STOP
  end
  local headers = ts.client_request.header
  for _, name in ipairs(CLAIMS_OF_HOST) do
    headers[name] = nil
  end
  headers["Host"] = HOST
  if headers["Range"] and not one_part(headers["Range"]) then
    headers["Range"] = nil
  end
  ts.client_request.set_url_host(group)
  ts.client_request.set_url_port(80)
  if ts.http.is_internal_request() == 1 then
    ts.hook(TS_LUA_HOOK_SEND_RESPONSE_HDR, read_there)
    return TS_LUA_REMAP_DID_REMAP_STOP
  end
  local method = ts.client_request.get_method()
  if (method ~= "GET" and method ~= "HEAD") or headers["Authorization"] or headers["Cookie"] then
    ts.ctx["passed"] = true
  end
  ts.hook(TS_LUA_HOOK_CACHE_LOOKUP_COMPLETE, looked_up)
  ts.hook(TS_LUA_HOOK_READ_RESPONSE_HDR, answered)
  ts.hook(TS_LUA_HOOK_SEND_RESPONSE_HDR, answering)
  ts.hook(TS_LUA_HOOK_TXN_CLOSE, closing)
  return TS_LUA_REMAP_DID_REMAP_STOP
end
