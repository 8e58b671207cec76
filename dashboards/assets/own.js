// A visitor's own file: chosen, dropped or pasted, sent as it is, and the page read anew once the server has read it.
(() => {
  const part = (event, attribute) =>
    event.composedPath().find((element) => element instanceof Element && element.hasAttribute(attribute))

  function* deep(node, selector) {
    for (const element of node.querySelectorAll("*")) {
      if (element.matches(selector)) yield element
      if (element.shadowRoot) yield* deep(element.shadowRoot, selector)
    }
  }
  const form = () => [...deep(document, "[data-own]")][0]
  const tell = (text) => { form().querySelector("[data-own-status]").textContent = text }

  async function post(address, body) {
    const answer = await fetch(address, {method: "POST", body, headers: {"X-Skyline": "own"}})
    const found = await answer.json()
    if (!answer.ok) throw new Error(found.problem)
    return found
  }

  // Of a file of weights the name says which model it is; its gigabytes say no more.
  const IS_GGUF = /\.gguf$/i
  const sent = ({name, size}, body) =>
    IS_GGUF.test(name) ? {body: name, name: "address", size: name.length} : {body, name, size}

  function pasted() {
    const text = form().querySelector("textarea").value.trim()
    if (!text) return null
    const isAddress = text.length < 200 && !/[\n{,|]/.test(text) && (text.includes("/") || IS_GGUF.test(text))
    const suffix = /^[{[]/.test(text) ? "json" : /^\||\n\|/.test(text) ? "md" : "csv"
    return {body: text, name: isAddress ? "address" : `pasted.${suffix}`, size: text.length}
  }

  async function send(file) {
    const chosen = file ?? form().querySelector("input[type=file]").files[0]
    const what = chosen ? sent(chosen, chosen) : pasted()
    if (!what) return tell("Choose a file or paste something first.")
    if (what.size > Number(form().dataset.most)) {
      return tell(`${what.name} has ${what.size.toLocaleString("en")} bytes; the most is ${form().dataset.most / 1048576} MiB.`)
    }
    const asked = new URLSearchParams({name: what.name})
    for (const field of form().querySelectorAll("[data-own-stated]")) {
      if (field.value.trim()) asked.set(field.dataset.ownStated, field.value.trim())
    }
    if (form().querySelector("[data-own-keep]")?.checked) asked.set("keep", "yes")
    const button = form().querySelector("[data-own-read]")
    button.disabled = true
    tell(`Reading ${what.name} …`)
    try {
      await post(`own/file?${asked}`, what.body)
      location.reload()
    } catch (error) {
      tell(error.message || "The server cannot be reached.")
      button.disabled = false
    }
  }

  document.addEventListener("click", async (event) => {
    if (part(event, "data-own-read")) send()
    const removing = part(event, "data-own-remove")
    if (!removing) return
    await post(`own/remove?id=${removing.dataset.ownRemove}`)
    location.reload()
  })
  document.addEventListener("dragover", (event) => {
    if (!form() || !event.dataTransfer.types.includes("Files")) return
    event.preventDefault()
    form().classList.add("over")
  })
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) form()?.classList.remove("over") })
  document.addEventListener("drop", (event) => {
    if (!form() || !event.dataTransfer.files.length) return
    event.preventDefault()
    form().classList.remove("over")
    send(event.dataTransfer.files[0])
  })
})()
