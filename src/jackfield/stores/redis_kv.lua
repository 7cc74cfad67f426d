-- Keys and values of one owner. Each call is one script, and so alone and whole.
--
-- A value of no user is a text at ROOT:plugin:NAMESPACE:KEY. Those of users are a hash at ROOT:user:NAMESPACE:KEY with
-- a field for each user. A colon in a namespace is written %3A, so that no two places share a key.
-- A place is USER NUL NAMESPACE NUL KEY; none of them holds a NUL.
local places, kept, expiry, size, expiring, scratch = unpack(KEYS)
local verb, owner, root, now = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local call = redis.call

local function escape(text)
    return (text:gsub('[%%:]', {['%'] = '%25', [':'] = '%3A'}))
end

local function split(place)
    return place:match('^([^%z]*)%z([^%z]*)%z(.*)$')
end

local function locate(place)
    local user, namespace, key = split(place)
    local rest = escape(namespace) .. ':' .. key
    if user == '' then
        return root .. ':plugin:' .. rest
    end
    return root .. ':user:' .. rest, user
end

local function describe(place)
    local text = call('HGET', kept, place)
    if not text then
        return nil
    end
    local kind, bytes, expires, mark = text:match('^(%a+)|(%d+)|([^|]*)|(%x*)$')
    return {kind = kind, size = tonumber(bytes), expires = expires, mark = mark}
end

local function drop(place)
    local found = describe(place)
    local key, user = locate(place)
    if user then
        call('HDEL', key, user)
    else
        call('DEL', key)
    end
    call('ZREM', places, place)
    call('HDEL', kept, place)
    call('ZREM', expiry, place)
    call('DECRBY', size, found.size)
    if call('ZCARD', places) == 0 then
        call('DEL', size)
    end
end

local function purge(most)
    local gone = call('ZRANGEBYSCORE', expiry, '-inf', now, 'LIMIT', 0, most)
    for _, place in ipairs(gone) do
        drop(place)
    end
    if call('ZCARD', expiry) == 0 then
        call('SREM', expiring, owner)
    end
    return #gone
end

-- What is there, with its value. A value that somebody else took away is not there.
local function find(place)
    local found = describe(place)
    if not found then
        return nil
    end
    local key, user = locate(place)
    found.data = user and call('HGET', key, user) or not user and call('GET', key)
    if not found.data then
        drop(place)
        return nil
    end
    return found
end

-- Whether there was room for it.
local function put(place, kind, data, mark, expires, most_keys, most_size)
    local _, _, name = split(place)
    local bytes = #name + #data
    local old = describe(place)
    local former = old and old.size or 0
    if most_keys ~= '' then
        local others = call('ZCARD', places) - (old and 1 or 0)
        local total = tonumber(call('GET', size) or '0') - former
        if others + 1 > tonumber(most_keys) or total + bytes > tonumber(most_size) then
            return false
        end
    end
    local key, user = locate(place)
    if user then
        call('HSET', key, user, data)
    else
        call('SET', key, data)
    end
    call('ZADD', places, 0, place)
    call('HSET', kept, place, table.concat({kind, bytes, expires, mark}, '|'))
    call('INCRBY', size, bytes - former)
    if expires == '' then
        call('ZREM', expiry, place)
    else
        call('ZADD', expiry, expires, place)
        call('SADD', expiring, owner)
    end
    return true
end

local function range(prefix)
    return call('ZRANGEBYLEX', places, '[' .. prefix, '(' .. prefix .. '\255')
end

local verbs = {}

function verbs.get(place)
    local found = find(place)
    return found and {found.kind, found.data}
end

function verbs.set(...)
    return put(...) and 1 or 0
end

function verbs.set_many(...)
    local given = {...}
    for first = 1, #given, 4 do
        put(given[first], given[first + 1], given[first + 2], given[first + 3], '', '', '')
    end
end

function verbs.delete(place)
    if not find(place) then
        return 0
    end
    drop(place)
    return 1
end

function verbs.list(prefix)
    return range(prefix)
end

function verbs.clear(prefix)
    local gone = range(prefix)
    for _, place in ipairs(gone) do
        drop(place)
    end
    return #gone
end

-- 1 and the sum, 0 where there is no room, or -1 with what cannot be counted. Redis adds: in Lua a number is a double.
function verbs.increment(place, by, expires, most_keys, most_size)
    local found = find(place) or {kind = 'json', data = '0', expires = expires}
    local sum
    if found.kind == 'json' and found.data:match('^-?%d+$') then
        call('SET', scratch, found.data)
        local added = redis.pcall('INCRBY', scratch, by)
        sum = type(added) == 'number' and call('GET', scratch)
        call('DEL', scratch)
    end
    if not sum or sum == '-9223372036854775808' then
        return {-1, found.kind, found.data}
    end
    local mark = redis.sha1hex('json:' .. sum)
    return {put(place, 'json', sum, mark, found.expires, most_keys, most_size) and 1 or 0, sum}
end

-- 1 where it did, 0 where something else is there, -1 where there is no room.
function verbs.compare_and_set(place, expected, absent, ...)
    local found = find(place)
    local same = found and found.mark == expected or not found and absent == '1'
    if not same then
        return 0
    end
    return put(place, ...) and 1 or -1
end

function verbs.usage()
    return {call('ZCARD', places), tonumber(call('GET', size) or '0')}
end

function verbs.forget()
    for _, place in ipairs(call('ZRANGE', places, 0, -1)) do
        drop(place)
    end
    call('SREM', expiring, owner)
end

function verbs.sweep()
    return purge(tonumber(ARGV[5]))
end

if verb ~= 'sweep' then
    purge(-1)
end
return verbs[verb](unpack(ARGV, 5))
